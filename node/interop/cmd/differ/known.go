package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// knowledge is what rules ask the generator about the topics that a difference lies in.
type knowledge struct {
	names   map[string]string     // of topic ids, in hex
	recoded map[string]bool       // topics whose batches the brokers compress
	rolled  map[string]bool       // topics whose logs may have several segments
	starts  map[string]*partition // those of which records were deleted, by topic/partition
}

func newKnowledge() *knowledge {
	return &knowledge{names: map[string]string{}, recoded: map[string]bool{}, rolled: map[string]bool{}, starts: map[string]*partition{}}
}

// topic returns the name of the topic in a path.
func (k *knowledge) topic(path string) string {
	_, rest, _ := strings.Cut(path, "Topic=")
	name := rest[:max(strings.IndexAny(rest, " ]"), 0)]
	if _, rest, ok := strings.Cut(path, "TopicID="); ok && name == "" {
		name = k.names[rest[:max(strings.IndexByte(rest, ']'), 0)]]
	}
	return name
}

// roomy is the limit of a Fetch that no sequence fills: the others that the generator draws are small.
const roomy = 1 << 20

// limited reports whether a limit in bytes of a Fetch may end the partition in a path at another batch, since a topic in it is compressed by each broker in its own way.
func (k *knowledge) limited(req *kmsg.FetchRequest, path string) bool {
	name := k.topic(path)
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := t.Topic
		if topic == "" {
			topic = k.names[fmt.Sprintf("%x", t.TopicID)]
		}
		if k.recoded[topic] && req.MaxBytes < roomy {
			return true
		}
		if topic == name {
			return k.recoded[topic] && (req.SessionEpoch > 0 || slices.ContainsFunc(t.Partitions, func(p kmsg.FetchRequestTopicPartition) bool { return p.PartitionMaxBytes < roomy }))
		}
	}
	return k.recoded[name] && req.SessionEpoch > 0 // a session knows the partition's limit from an earlier request
}

// deleted reports whether an offset lies below the start of the log in a path.
func (k *knowledge) deleted(path string, offset int64) bool {
	var number int32
	_, rest, _ := strings.Cut(path, "Partition=")
	digits, _, _ := strings.Cut(rest, "]")
	if _, err := fmt.Sscan(digits, &number); err != nil {
		return false
	}
	p := k.starts[fmt.Sprintf("%s/%d", k.topic(path), number)]
	return p != nil && offset < p.start
}
