package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, headings, _ := strings.Cut(string(text), "\n## ")
	for _, r := range rules {
		if !strings.Contains(headings, "**"+r.name) && !strings.Contains(headings, ", "+r.name) {
			t.Errorf("docs/DIFFERENCES.md does not explain %s", r.name)
		}
	}
}

// fetchOf is a Fetch of a session of partition 0 of each topic.
func fetchOf(maxBytes, partitionBytes int32, topics ...string) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = maxBytes, 3
	for _, name := range topics {
		topic := kmsg.NewFetchRequestTopic()
		p := kmsg.NewFetchRequestTopicPartition()
		p.PartitionMaxBytes = partitionBytes
		topic.Topic, topic.Partitions = name, []kmsg.FetchRequestTopicPartition{p}
		req.Topics = append(req.Topics, topic)
	}
	return req
}

// Only a limit in bytes excuses other batches, and only those of a topic that is compressed anew or that stands behind one.
func TestWrittenAnewIsNarrow(t *testing.T) {
	k := newKnowledge()
	k.recoded["anew"] = true
	for _, c := range []struct {
		req   *kmsg.FetchRequest
		topic string
		want  bool
	}{
		{fetchOf(500, roomy, "plain", "anew", "last"), "anew", true},
		{fetchOf(500, roomy, "plain", "anew", "last"), "last", true},
		{fetchOf(500, roomy, "plain", "anew", "last"), "plain", false},
		{fetchOf(roomy, 300, "plain", "anew", "last"), "anew", true},
		{fetchOf(roomy, 300, "plain", "anew", "last"), "last", false},
		{fetchOf(roomy, roomy, "plain", "anew", "last"), "anew", false},
	} {
		c.req.SessionEpoch = -1
		o := &op{req: c.req, known: k}
		d := &difference{path: "Topics[Topic=" + c.topic + " ].Partitions[Partition=0].RecordBatches", plain: "Topics.Partitions.RecordBatches", kafka: list{}, ours: list(nil)}
		if got := writtenAnew(o, d, nil); got != c.want {
			t.Errorf("%s of MaxBytes %d: %v", c.topic, c.req.MaxBytes, got)
		}
	}
	d := &difference{path: "Topics[Topic=anew ].Partitions[Partition=0].RecordBatches", plain: "Topics.Partitions.RecordBatches", kafka: list{}, ours: list(nil)}
	if session := fetchOf(roomy, roomy); !writtenAnew(&op{req: session, known: k}, d, nil) {
		t.Error("a session's partition that the request does not name")
	}
	o := &op{req: fetchOf(roomy, roomy, "plain"), known: k}
	if d := (&difference{path: "Topics[Topic=plain ]", plain: "Topics.Partitions.RecordBatches.BaseTimestamp", kafka: int64(1), ours: int64(2)}); writtenAnew(o, d, nil) {
		t.Error("the base of times of a topic that keeps what it is sent")
	}
}

// A reply that is not full excuses one batch that is larger than its partition's limit, and no more.
func TestSessionTurnIsNarrow(t *testing.T) {
	batch := tree{{"GoodCRC", true}}
	for _, c := range []struct {
		maxBytes int32
		batches  list
		want     bool
	}{{500, list{batch, batch}, true}, {roomy, list{batch}, true}, {roomy, list{batch, batch}, false}} {
		d := &difference{path: "Topics[Topic=a ].Partitions[Partition=0].RecordBatches", plain: "Topics.Partitions.RecordBatches", kafka: c.batches, ours: list(nil)}
		if got := sessionTurn(&op{req: fetchOf(c.maxBytes, 1, "a")}, d, nil); got != c.want {
			t.Errorf("%d batches, MaxBytes %d: %v", len(c.batches), c.maxBytes, got)
		}
	}
	full := fetchOf(500, 1, "a")
	full.SessionEpoch = 0
	if sessionTurn(&op{req: full}, &difference{plain: "Topics.Partitions.RecordBatches", kafka: list{batch}, ours: list(nil)}, nil) {
		t.Error("a full fetch has no turns")
	}
}

// One topic named twice is answered twice: Kafka shuffles the answers.
func TestShuffledDeletions(t *testing.T) {
	name := "a"
	answer := func(codes ...int16) any {
		r := kmsg.NewPtrDeleteTopicsResponse()
		for _, code := range codes {
			topic := kmsg.NewDeleteTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = &name, code
			r.Topics = append(r.Topics, topic)
		}
		return toTree(reflect.ValueOf(r), newIDs())
	}
	if d := differences("", "", answer(42, 0), answer(0, 42), nil); len(d) != 0 {
		t.Errorf("the same in another order: %v", d)
	}
	if d := differences("", "", answer(42, 0), answer(0, 0), nil); len(d) != 1 {
		t.Errorf("another code: %v", d)
	}
}
