// Command toolscheck runs a script of Apache Kafka's own command line tools against Apache Kafka and against a node of ours, and compares what they print: see
// scripts/tools-check.
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"odradek/node/interop/brokers"
)

//go:embed testdata/script.txt
var script string

// common is the configuration of both: two partitions, so that a default is seen to be one; nothing is deleted by age in between.
var common = map[string]string{"num.partitions": "2", "log.retention.check.interval.ms": "86400000", "broker.session.timeout.ms": "120000"}

// kafkaOnly keeps Kafka's own threads from doing something in between.
var kafkaOnly = map[string]string{"log.cleaner.enable": "false", "log.initial.task.delay.ms": "86400000"}

func main() {
	verbose := flag.Bool("v", false, "print what each command prints")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: toolscheck [-v] BINARY CLASSPATH-FILE")
		os.Exit(2)
	}
	ok, err := check(flag.Arg(0), flag.Arg(1), *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "toolscheck:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// check runs the script. It reports whether every difference is explained.
func check(binary, classpathFile string, verbose bool) (bool, error) {
	commands, err := parse(script)
	if err != nil {
		return false, err
	}
	content, err := os.ReadFile(classpathFile)
	if err != nil {
		return false, err
	}
	classpath := string(bytes.TrimSpace(content))
	dir, err := os.MkdirTemp("", "toolscheck")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if classpath, err = compile(classpath, dir); err != nil {
		return false, err
	}
	kafka, ours, end, err := brokers.StartBoth(binary, classpath, dir, common, kafkaOnly)
	defer end()
	if err != nil {
		return false, err
	}
	var sides [2]*side
	for i, b := range []*brokers.Broker{kafka, ours} {
		if sides[i], err = newSide(b, classpath, filepath.Join(dir, []string{"kafka", "ours"}[i])); err != nil {
			return false, err
		}
		defer sides[i].end()
	}
	began, r := time.Now(), newReport()
	for i := range commands {
		c := &commands[i]
		results, err := both(sides, c)
		if err != nil {
			return false, fmt.Errorf("line %d, %s: %w", c.line, c.text, err)
		}
		r.add(c, results, verbose)
	}
	ok := r.print(os.Stdout)
	fmt.Printf("in %ds\n", int(time.Since(began).Seconds()))
	return ok, nil
}
