// Package count counts.
package count

import (
	"fmt"
	"os"
)

const Most = 8

const (
	A = iota
	B
)

// Counter counts.
type Counter struct {
	words map[string]int
	total int
}

type Reader interface {
	Read(p []byte) (int, error)
}

// Add adds one.
func (c *Counter) Add(word string) {
	c.words[word]++
}

func (l List[T]) Len() int { return len(l.items) }

func main() {
	fmt.Println(os.Args)
}
