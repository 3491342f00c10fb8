package runtime

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// What replicas copy is no traffic of clients: the leader counts it as replication out and each follower as replication in, as Kafka does.
func TestTrafficBetweenReplicas(t *testing.T) {
	c := newNodes(t, 3)
	c.startAll(0, 1, 2)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "copied", 1, 3
	req.Topics = append(req.Topics, topic)
	resp, err := c.at(0, "PLAINTEXT").ask(req)
	if err != nil || resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode != 0 {
		t.Fatal(err, resp)
	}
	batch := batchOf("some value")
	leader, last := -1, ""
	defer func() {
		if t.Failed() {
			t.Log(last)
		}
	}()
	eventually(t, "a leader that takes the batch", func() bool {
		for i := range c.all {
			resp, err := c.at(i, "PLAINTEXT").ask(produceOf("copied", 0, -1, batch))
			if err != nil {
				t.Fatal(err)
			}
			_, code := producedAt(resp)
			last = fmt.Sprintf("node %d: %v", i+1, code)
			if code == errcode.None {
				leader = i
				return true
			}
		}
		return false
	})
	if _, err := c.at(leader, "PLAINTEXT").readTo("copied", 0, 1); err != nil {
		t.Fatal(err)
	}
	size := int64(len(batch))
	eventually(t, "the counters", func() bool {
		sound := true
		for i, n := range c.all {
			want := Traffic{CopiedIn: size}
			if i == leader {
				want = Traffic{BytesIn: size, MessagesIn: 1, BytesOut: size, CopiedOut: 2 * size}
			}
			got := n.Traffic()
			topics, _ := n.TopicTraffic()
			if of := topics["copied"]; of.CopiedIn+of.CopiedOut != 0 || of.BytesIn != want.BytesIn || of.BytesOut != want.BytesOut {
				t.Errorf("node %d: %+v of the topic", i+1, of)
			}
			got = Traffic{BytesIn: got.BytesIn, MessagesIn: got.MessagesIn, BytesOut: got.BytesOut, CopiedIn: got.CopiedIn, CopiedOut: got.CopiedOut}
			if got != want {
				last = fmt.Sprintf("node %d: %+v, want %+v", i+1, got, want)
			}
			sound = sound && got == want
		}
		return sound
	})
}
