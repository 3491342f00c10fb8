// Package golden runs scripts whose output is part of the file: stories that a person reads and a test repeats.
//
//	# A comment; blank lines and comments stay.
//	command word word
//	  what it printed, indented by two spaces
//
// go test -rewrite writes what is printed now; each difference is explained in the commit.
package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts print into them")

// Run runs every script that glob names. start makes the machine of one script: a function that carries out a command and prints to out.
func Run(t *testing.T, glob string, start func(t *testing.T, out *strings.Builder) (command func(line string))) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts %s (%v): the test would be empty", glob, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, string(want), start)
			switch {
			case got == string(want):
			case *rewrite:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s prints something else (see git diff after go test -rewrite): %s", file, firstDifference(string(want), got))
			}
		})
	}
}

func run(t *testing.T, script string, start func(*testing.T, *strings.Builder) func(string)) string {
	var printed, all strings.Builder
	command := start(t, &printed)
	for _, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		all.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		printed.Reset()
		command(line)
		for out := range strings.Lines(printed.String()) {
			all.WriteString("  " + strings.TrimRight(out, "\n") + "\n")
		}
	}
	return all.String()
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
