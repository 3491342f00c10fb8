package main

import (
	"testing"

	"odradek/docs/examples/internal/exampletest"
)

func TestExample(t *testing.T) {
	exampletest.Run(t, run, `card-7: 4 payments within 1m0s; 5 payments within 1m0s;
card-11: BR 10m0s after DE; DE 10m0s after BR;
`)
}
