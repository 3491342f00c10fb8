package interop

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kcat runs kcat with some input and returns what it prints on both outputs, and whether it ended well.
func kcat(t *testing.T, n *node, input string, args ...string) (said string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(deadline(t, 30*time.Second), "kcat", append([]string{"-b", n.address}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// TestKcatQueries lists metadata, asks for offsets by time, reads parts of a topic, and reads kcat's own words for what is refused.
func TestKcatQueries(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("kcat is missing; get it with: apt-get install kcat")
	}
	n := start(t, "auto.create.topics.enable=false")
	c := client(t, n)
	if _, err := kadm.NewClient(c).CreateTopic(deadline(t, 10*time.Second), 2, 1, map[string]*string{"max.message.bytes": text("500")}, "q"); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		r := &kgo.Record{Topic: "q", Value: fmt.Appendf(nil, "v%d", i), Timestamp: started.Add(time.Duration(i) * time.Second)}
		if err := c.ProduceSync(deadline(t, 10*time.Second), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	said, ok := kcat(t, n, "", "-L", "-J")
	var listed struct {
		Brokers []struct{ Name string }
		Topics  []struct {
			Topic      string
			Partitions []struct{ Leader int }
		}
	}
	if err := json.Unmarshal([]byte(said), &listed); err != nil || !ok || len(listed.Brokers) != 1 || listed.Brokers[0].Name != n.address ||
		len(listed.Topics) != 1 || listed.Topics[0].Topic != "q" || len(listed.Topics[0].Partitions) != 2 || listed.Topics[0].Partitions[1].Leader != 1 {
		t.Errorf("kcat -L -J printed %s", said)
	}
	if said, ok := kcat(t, n, "", "-Q", "-t", fmt.Sprintf("q:0:%d", started.Add(6500*time.Millisecond).UnixMilli())); !ok || said != "q [0] offset 7\n" {
		t.Errorf("kcat -Q printed %q", said)
	}
	if said, ok := kcat(t, n, "", "-C", "-t", "q", "-p", "0", "-o", "-3", "-e", "-q", "-f", "%o=%s "); !ok || said != "7=v7 8=v8 9=v9 " {
		t.Errorf("the last three: %q", said)
	}
	if said, ok := kcat(t, n, "", "-C", "-t", "q", "-p", "0", "-o", "4", "-c", "2", "-q", "-f", "%o=%s "); !ok || said != "4=v4 5=v5 " {
		t.Errorf("two from 4: %q", said)
	}
	for _, e := range []struct {
		input, words string
		args         []string
	}{
		{"", "Broker: Unknown topic or partition", []string{"-C", "-t", "nothing", "-e", "-q"}},
		{"", "Broker: Offset out of range", []string{"-C", "-t", "q", "-p", "0", "-o", "100", "-e", "-q", "-X", "auto.offset.reset=error"}},
		{strings.Repeat("x", 1000), "Broker: Message size too large", []string{"-P", "-t", "q", "-p", "0"}},
		{"v", "Broker: Unknown topic or partition", []string{"-P", "-t", "nothing", "-p", "0", "-X", "topic.metadata.propagation.max.ms=200"}},
	} {
		if said, ok := kcat(t, n, e.input, e.args...); ok || !strings.Contains(said, e.words) {
			t.Errorf("kcat %v: ended well: %t, printed %q, want %q", e.args, ok, said, e.words)
		}
	}
}
