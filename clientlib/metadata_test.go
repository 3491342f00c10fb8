package clientlib

import (
	"testing"
	"time"

	"odradek/clientlib/proto"
)

// A topic that is new to the client is asked for at once, though metadata were asked for just before.
func TestNewTopicAtOnce(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer stopNode(t, n)
	c, err := New(Config{Bootstrap: address(n), Proto: proto.Config{RetryBackoff: int64(5 * time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	createTopic(t, c, "a", 1)
	createTopic(t, c, "b", 1)
	began := time.Now()
	for _, topic := range []string{"a", "b"} {
		if _, err := c.Do(t.Context(), Operation{Request: latest(topic, 0), Target: proto.Leader(topic, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("two new topics took %v", took)
	}
}
