/* Licence. */

#include <stdio.h>
#include "x.h"

#define MOST 8
#define TWICE(x) \
    ((x) * 2)

struct point {
    int x;
    int y; /* down */
};

enum colour {
    RED,
    BLUE,
};

typedef struct {
    int a;
} thing_t;

static int total;

#ifdef LINUX
/* One. */
static int one(void)
{
    return 1;
}
#else
static int one(void) { return 2; }
#endif

char *name(struct point *p)
{
    return 0;
}

int
main(int argc, char **argv)
{
    return one();
}
