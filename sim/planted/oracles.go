package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"odradek/linearizability"
)

// oracleCall is how the simulator names the oracle that ends a run.
var oracleCall = regexp.MustCompile(`(?:\.fail\((?:(?:Correctness|Liveness|Crash), )?|broken\()"([^"]+)"`)

// oraclesOf returns the oracles of the simulator, each with a file that has it.
func oraclesOf(root string) (map[string]string, error) {
	oracles := map[string]string{"panic": "sim/world.go", "determinism": "sim/cli/sweep.go"}
	for _, a := range linearizability.Anomalies {
		oracles[string(a)] = "linearizability"
	}
	files, err := filepath.Glob(filepath.Join(root, "sim", "*.go"))
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for _, m := range oracleCall.FindAllStringSubmatch(string(text), -1) {
			oracles[m[1]] = filepath.ToSlash(filepath.Join("sim", filepath.Base(path)))
		}
	}
	return oracles, err
}

// printOracles prints the names that the file of a bug may have, and where each oracle is.
func printOracles(out io.Writer) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	oracles, err := oraclesOf(root)
	for _, name := range slices.Sorted(maps.Keys(oracles)) {
		fmt.Fprintf(out, "%-22s %s\n", name, oracles[name])
	}
	return err
}
