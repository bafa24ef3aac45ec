// Licence.

#pragma once
#include <string>

namespace a::b {

/// A counter.
template <typename T>
class Counter : public Base<T> {
public:
    Counter() : total(0) {}
    ~Counter();

    // Adds.
    void add(const T& x) {
        total++;
    }

    int total() const;
    bool operator==(const Counter& other) const { return true; }

private:
    int total_;
    struct Inner {
        int x;
    };
};

template <typename T>
int Counter<T>::total() const {
    return total_;
}

enum class Colour { Red, Blue };

using Id = std::string;

namespace {
int hidden() { return 1; }
}

}  // namespace a::b

extern "C" {
int plain(void) { return 0; }
}
