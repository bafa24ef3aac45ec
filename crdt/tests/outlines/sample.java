package org.example;

import java.util.List;

/** Counts. */
@Deprecated
public final class Counter<T> implements Runnable {
    private static final int MOST = 8;
    private int total, other;

    public Counter() {
        this.total = 0;
    }

    /** Runs. */
    @Override
    public void run() {
        total++;
    }

    int total() { return total; }
    int total(int x) { return x; }

    enum Kind {
        ONE, TWO;

        Kind next() { return this; }
    }

    interface Inner {
        void one();
    }
}

record Point(int x, int y) {}
