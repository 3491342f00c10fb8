package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClientsTable compares the versions in docs/CLIENTS.md with those that are run, and the files that it names with those that are there.
func TestClientsTable(t *testing.T) {
	read := func(path ...string) string {
		b, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	table, mod := read("..", "..", "docs", "CLIENTS.md"), read("go.mod")
	jars, tools := read("..", "..", "scripts", "kafka-jars"), read("..", "..", "scripts", "client-tools")
	for _, c := range []struct{ client, where, pattern string }{
		{"franz-go", mod, `twmb/franz-go (v\S+)`},
		{"sarama", mod, `IBM/sarama (v\S+)`},
		{"kafka-go", mod, `segmentio/kafka-go (v\S+)`},
		{"confluent-kafka-go", mod, `confluent-kafka-go/v2 (v\S+)`},
		{"Java clients", jars, `version=(\S+)`},
		{"Java console producer and consumer", jars, `version=(\S+)`},
		{"kafkajs", tools, `kafkajs@([0-9.]+)`},
		{"kafka-python", tools, `kafka-python==([0-9.]+)`},
		{"aiokafka", tools, `aiokafka==([0-9.]+)`},
	} {
		m := regexp.MustCompile(c.pattern).FindStringSubmatch(c.where)
		if m == nil {
			t.Errorf("%s: nothing says which version is run", c.client)
		} else if !strings.Contains(table, "| "+c.client+" | "+m[1]+" |") {
			t.Errorf("%s: %s is run, and docs/CLIENTS.md says otherwise", c.client, m[1])
		}
	}
	for _, m := range regexp.MustCompile("`([a-z_]+_test\\.go)`").FindAllStringSubmatch(table, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("docs/CLIENTS.md names %v", err)
		}
	}
}
