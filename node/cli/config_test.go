package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func configShow(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := ConfigShow()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage = true
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestConfigShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(file, []byte("log.retention.hours=24\nnum.io.threads=4\nssl.key.password=secret\nnum.partitions=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAFKA_NUM_PARTITIONS", "3")
	out, err := configShow(t, "--config", file, "--origin", "--set", "node.id=5")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"log.retention.ms\t86400000\t" + file + ":1 (log.retention.hours)\n",
		"num.partitions\t3\tKAFKA_NUM_PARTITIONS\n",
		"node.id\t5\t--set\n",
		"num.io.threads\t4\t" + file + ":2, without effect\n",
		"ssl.key.password\t[hidden]\t" + file + ":3, without effect\n",
		"log.dirs\todradek-data\t--data\n",
		"min.insync.replicas\t1\tdefault\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	if strings.Contains(out, "secret") {
		t.Error("a password is shown")
	}
	out, err = configShow(t, "--config", file, "--given", "-o", "json")
	var lines []configLine
	if err != nil || json.Unmarshal([]byte(out), &lines) != nil || len(lines) != 5 || strings.Contains(out, "secret") {
		t.Errorf("%v, %d lines:\n%s", err, len(lines), out)
	}
	_, err = configShow(t, "--set", "num.partition=1")
	if usage := new(UsageError); !errors.As(err, usage) || !strings.Contains(err.Error(), "num.partitions") {
		t.Errorf("a typo: %v", err)
	}
}

// What does nothing is told once, in one line each.
func TestServeTellsWhatHasNoEffect(t *testing.T) {
	t.Setenv("KAFKA_HEAP_OPTS", "-Xmx1G")
	t.Setenv("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw")
	data := filepath.Join(t.TempDir(), "data")
	end, out := serving(t, flagsFor(data, "num.io.threads=4", "num.network.threads=2"))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"keys=num.io.threads,num.network.threads", "variables=KAFKA_HEAP_OPTS"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not told once:\n%s", want, out)
		}
	}
	if meta, _ := os.ReadFile(filepath.Join(data, "meta.properties")); !bytes.Contains(meta, []byte("cluster.id=4L6g3nShT-eMCtK--X86sw\n")) {
		t.Errorf("CLUSTER_ID was not taken: %s", meta)
	}
}
