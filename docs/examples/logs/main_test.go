package main

import (
	"testing"

	"odradek/docs/examples/internal/exampletest"
)

func TestExample(t *testing.T) {
	exampletest.Run(t, run, `web-0: request 0, request 51, request 102, request 150, request 201, request 252
web-1: request 1, request 52, request 100, request 151, request 202, request 250
web-2: request 2, request 50, request 101, request 152, request 200, request 251
`)
}
