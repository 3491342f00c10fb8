package main

import (
	"testing"

	"odradek/docs/examples/internal/exampletest"
)

func TestExample(t *testing.T) {
	exampletest.Run(t, run, `o-1 shipped: 2 spool
o-2 refused: 2 spool
o-3 shipped: 10 thread
o-4 refused: 1 needle
`)
}
