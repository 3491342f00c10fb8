// Clientcheck runs one script of clientlib's (admin, produce, consume, errors) against a node of ours and against Apache Kafka, and compares what it saw line by line:
//
//	go run ./cmd/clientcheck BINARY CLASSPATH
//
// Exit code 1: something differs, or a broker did not start.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"odradek/node/interop/brokers"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: clientcheck BINARY CLASSPATH")
		os.Exit(2)
	}
	classpath, err := os.ReadFile(os.Args[2])
	if err == nil {
		err = check(os.Args[1], strings.TrimSpace(string(classpath)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clientcheck:", err)
		os.Exit(1)
	}
}

// same is what both brokers are told.
var same = map[string]string{"auto.create.topics.enable": "false", "num.partitions": "2", "message.max.bytes": "200000"}

func check(binary, classpath string) error {
	dir, err := os.MkdirTemp("", "clientcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"ours", "kafka"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	ours, err := brokers.StartOdradek(binary, filepath.Join(dir, "ours"), same)
	if err != nil {
		return err
	}
	defer ours.End()
	kafka, err := brokers.StartKafka(classpath, filepath.Join(dir, "kafka"), same)
	if err != nil {
		return err
	}
	defer kafka.End()
	a, err := play(ours.Address)
	if err != nil {
		return fmt.Errorf("%s: %w", ours.Name, err)
	}
	b, err := play(kafka.Address)
	if err != nil {
		return fmt.Errorf("%s: %w", kafka.Name, err)
	}
	differ := 0
	for i := range max(len(a), len(b)) {
		x, y := line(a, i), line(b, i)
		if x != y {
			differ++
			fmt.Printf("%s: %s\n%s: %s\n", ours.Name, x, kafka.Name, y)
			continue
		}
		fmt.Println(x)
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d lines differ", differ, max(len(a), len(b)))
	}
	fmt.Printf("%d lines, the same from %s and %s\n", len(a), ours.Name, kafka.Name)
	return nil
}

func line(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(nothing)"
}
