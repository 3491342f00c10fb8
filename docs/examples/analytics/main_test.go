package main

import (
	"testing"

	"odradek/docs/examples/internal/exampletest"
)

func TestExample(t *testing.T) {
	exampletest.Run(t, run, `minute -1 /: 1
minute -1 /docs: 1
minute 0 /: 40
minute 0 /docs: 20
minute 1 /: 40
minute 1 /docs: 20
minute 2 /: 40
minute 2 /docs: 20
minute 3 /: 39
minute 3 /docs: 20
too late: 1
`)
}
