package main

import (
	"testing"

	"odradek/docs/examples/internal/exampletest"
)

func TestExample(t *testing.T) {
	exampletest.Run(t, run, `user-2, last two hours:
  hour 22: logout
  hour 23: login
everybody, last three:
  user-0: buy
  user-1: logout
  user-2: login
`)
}
