package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odradek/core/config"
)

func write(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	path := write(t, "num.partitions=2\nlog.retention.hours=3\nnode.id=4\n")
	s, err := Gather(Sources{File: path, Environ: []string{"KAFKA_NUM_PARTITIONS=5", "KAFKA_NODE_ID=6", "KAFKA_HEAP_OPTS=-Xmx1G", "PATH=/bin", "CLUSTER_ID=abc"},
		Set: []string{"node.id=7", "message.max.bytes = 100"}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if n.NodeID != 7 || n.NumPartitions != 5 || n.Topic.RetentionMs != 3*3_600_000 || n.Topic.Policy.MaxMessageBytes != 100 {
		t.Errorf("%+v", n)
	}
	for key, want := range map[string]string{"node.id": "--set", "num.partitions": "KAFKA_NUM_PARTITIONS", "log.retention.hours": path + ":2", "listeners": ""} {
		if got := s.Origin(key); got != want {
			t.Errorf("%s comes from %q, want %q", key, got, want)
		}
	}
	if s.ClusterID != "abc" || !slices.Equal(s.Ignored, []string{"KAFKA_HEAP_OPTS"}) {
		t.Errorf("cluster %q, ignored %q", s.ClusterID, s.Ignored)
	}
}

func TestMistakesSayWhereTheyAre(t *testing.T) {
	path := write(t, "# ours\nnum.partition=2\n")
	for _, c := range []struct {
		sources Sources
		want    []string
	}{
		{Sources{File: path}, []string{path + ":2:", `did you mean "num.partitions"?`}},
		{Sources{File: path + "x"}, []string{"--config", path + "x"}},
		{Sources{File: write(t, "a=\\u1")}, []string{"line 1", "hexadecimal"}},
		{Sources{Environ: []string{"KAFKA_NUM_PARTITIONS=x"}}, []string{"KAFKA_NUM_PARTITIONS:", "Not a number of type INT"}},
		{Sources{Set: []string{"num.partitions"}}, []string{"is not key=value"}},
		{Sources{Set: []string{"zookeeper.connect=h"}}, []string{"--set:", "gone since Kafka 4"}},
	} {
		s, err := Gather(c.sources)
		if err == nil {
			_, err = s.Parse()
		}
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %v does not say %q", c.sources, err, w)
			}
		}
	}
}

// What Kafka's image makes of a variable's name (its docker launch script): ___ is -, __ is _, _ is a dot.
func TestNamesOfVariables(t *testing.T) {
	s, _ := Gather(Sources{Environ: []string{"KAFKA_LISTENER_NAME_MY___INNER__NET_SASL_ENABLED_MECHANISMS=x"}})
	if want := (config.Entry{Key: "listener.name.my-inner_net.sasl.enabled.mechanisms", Value: "x"}); len(s.Given) != 1 || s.Given[0].Entry != want {
		t.Errorf("%+v", s.Given)
	}
}
