package main

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rule explains a difference. docs/DIFFERENCES.md has a section for each.
type rule struct {
	name  string
	rare  bool // a short run may not meet it
	holds func(o *op, d *difference, kafka kmsg.Response) bool
}

var rules = []rule{
	{name: "apis", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "ApiKeys" && d.ours == absent{} || d.plain == "ApiKeys.MaxVersion" && less(d.ours, d.kafka)
	}},
	{name: "features", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return (d.plain == "SupportedFeatures" || d.plain == "FinalizedFeatures") && d.ours == absent{} || strings.HasPrefix(d.plain, "FinalizedFeatures") && isNumber(d)
	}},
	{name: "coordinators", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return o.req.Key() == 10 && d.path != "the broker"
	}},
	{name: "durable-default", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return strings.HasSuffix(d.plain, "Value") && slices.ContainsFunc([]string{"flush.messages", "log.flush.interval.messages", "file.delete.delay.ms", "log.segment.delete.delay.ms"},
			func(key string) bool { return strings.Contains(d.path, "[Name="+key+"]") })
	}},
	{name: "empty-name", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		req, ok := o.req.(*kmsg.DescribeTopicPartitionsRequest)
		return ok && slices.ContainsFunc(req.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool { return t.Topic == "" })
	}},
	{name: "session-turn", rare: true, holds: sessionTurn},
	{name: "session-topic-gone", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return o.req.Key() == 1 && d.plain == "Topics.Partitions.ErrorCode" && d.ours == int64(100) && (d.kafka == int64(3) || d.kafka == int64(103))
	}},
	{name: "broker-configs", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return strings.Contains(d.path, "ResourceType=4 ResourceName=") && strings.Contains(d.plain, "Configs")
	}},
	{name: "group-configs", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Resources.Configs" && strings.Contains(d.path, "ResourceType=") && !strings.Contains(d.path, "ResourceType=2 ") && reflect.DeepEqual(d.ours, list(nil))
	}},
	{name: "no-compaction", holds: noCompaction},
	{name: "auto-create", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		req, ok := o.req.(*kmsg.MetadataRequest)
		return ok && o.changes && (req.AllowAutoTopicCreation || req.Version < 4) && strings.HasPrefix(d.plain, "Topics")
	}},
	{name: "partial-batch", holds: func(o *op, d *difference, kafka kmsg.Response) bool {
		// What is cut counts, so that later partitions may get less, or nothing.
		return d.plain == "Topics.Partitions.BytesLeft" && d.ours == int64(0) ||
			d.plain == "Topics.Partitions.RecordBatches" && (d.kafka == absent{} || reflect.DeepEqual(d.kafka, list(nil))) && cutShort(kafka)
	}},
	{name: "written-anew", holds: writtenAnew},
	{name: "one-bad-batch", holds: oneBadBatch},
	{name: "refused-otherwise", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return o.req.Key() == 0 && d.plain == "Topics.Partitions.ErrorCode" && has(o, broken) && d.kafka != int64(0) && (d.ours == int64(87) || d.ours == int64(2) || d.ours == int64(76))
	}},
	{name: "stricter", holds: stricter},
	{name: "named-error", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Topics.Partitions.ErrorCode" && o.req.Key() == 0 && d.kafka == int64(-1) && d.ours == int64(87)
	}},
	{name: "unknown-operation", holds: unknownOperation},
	{name: "unsupported-resource", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Resources.ErrorCode" && !strings.Contains(d.path, "ResourceType=2 ") && d.kafka == int64(40) && d.ours == int64(42)
	}},
	{name: "segment-end", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Topics.Partitions.RecordBatches" && d.kafka == absent{} && o.known.rolled[o.known.topic(d.path)]
	}},
	{name: "max-timestamp-deleted", rare: true, holds: maxTimestampDeleted},
	{name: "deleted-segment", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return o.req.Key() == 2 && strings.HasPrefix(d.plain, "Topics.Partitions.") && d.kafka == int64(-1) && o.known.rolled[o.known.topic(d.path)]
	}},
	{name: "no-room", holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Topics.Partitions.AbortedTransactions" && reflect.DeepEqual(d.kafka, list(nil)) && reflect.DeepEqual(d.ours, list{})
	}},
	{name: "transactions", rare: true, holds: func(o *op, d *difference, kafka kmsg.Response) bool {
		r, ok := kafka.(*kmsg.ProduceResponse)
		return ok && has(o, []string{"attribute bits"}) && r.Topics[0].Partitions[0].ErrorCode == 53
	}},
	{name: "duplicate-time", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.plain == "Topics.Partitions.LogAppendTime" && d.kafka == int64(1) && idempotent(o.req)
	}},
	{name: "time-before-1970", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return o.known.recoded[o.known.topic(d.path)] && strings.Contains(o.note, "time before 1970") && d.kafka == int64(-1)
	}},
	{name: "one-unknown-type", rare: true, holds: func(o *op, d *difference, kafka kmsg.Response) bool {
		r, ok := kafka.(*kmsg.DescribeConfigsResponse)
		return ok && strings.HasPrefix(d.plain, "Resources") && !slices.ContainsFunc(r.Resources, func(x kmsg.DescribeConfigsResponseResource) bool { return x.ErrorCode != 42 })
	}},
	{name: "api-versions-header", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		return d.path == "the broker" && o.req.Key() == apiVersionsKey && o.req.GetVersion() < 3 && d.ours == "answers"
	}},
	{name: "stamped-apart", rare: true, holds: func(o *op, d *difference, _ kmsg.Response) bool {
		a, ok := d.kafka.(int64)
		b, ok2 := d.ours.(int64)
		apart := max(a-b, b-a)
		return ok && ok2 && apart < 5000 && (d.plain == "Topics.Partitions.ActiveProducers.LastTimestamp" || d.plain == "Topics.Partitions.Timestamp" && o.req.Key() == 2)
	}},
}

// unknownOperation: Kafka fails all resources of a request, or names another fault of the resource that it comes to first.
func unknownOperation(o *op, d *difference, _ kmsg.Response) bool {
	req, ok := o.req.(*kmsg.IncrementalAlterConfigsRequest)
	return ok && d.plain == "Resources.ErrorCode" && slices.ContainsFunc(req.Resources, func(r kmsg.IncrementalAlterConfigsRequestResource) bool {
		own := strings.HasSuffix(d.path, fmt.Sprintf(" ResourceName=%s].ErrorCode", r.ResourceName))
		return (d.kafka == int64(-1) || own && d.kafka == int64(40) && d.ours == int64(42)) &&
			slices.ContainsFunc(r.Configs, func(c kmsg.IncrementalAlterConfigsRequestResourceConfig) bool { return c.Op == 9 })
	})
}

// sessionTurn: a partition of a session gets its records in another reply. That is so where a reply is full, and where its first batch, which alone may be larger
// than a partition's limit, is another one.
func sessionTurn(o *op, d *difference, _ kmsg.Response) bool {
	req, ok := o.req.(*kmsg.FetchRequest)
	if !ok || req.SessionEpoch <= 0 {
		return false
	}
	said := text(d.kafka) + text(d.ours)
	if req.MaxBytes >= roomy && strings.Count(said, "GoodCRC:") != 1 {
		return false
	}
	return d.plain == "Topics.Partitions.RecordBatches" && (reflect.DeepEqual(d.kafka, list(nil)) || reflect.DeepEqual(d.ours, list(nil))) ||
		(d.plain == "Topics" || d.plain == "Topics.Partitions") && strings.Contains(said, "RecordBatches:[")
}

// writtenAnew: the bytes of a batch that a broker compresses, and the base of its times, are its own.
func writtenAnew(o *op, d *difference, _ kmsg.Response) bool {
	switch d.plain {
	case "Topics.Partitions.RecordBatches":
		// A limit in bytes is reached after other batches: those of the partition, or of all that stand before it.
		req, ok := o.req.(*kmsg.FetchRequest)
		return ok && o.known.limited(req, d.path)
	case "Topics.Partitions.RecordBatches.BaseTimestamp":
		return isNumber(d) && o.known.recoded[o.known.topic(d.path)]
	case "Topics.Partitions.RecordBatches.Length", "Dirs.Topics.Partitions.Size":
		return o.known.recoded[o.known.topic(d.path)]
	}
	return false
}

// broken are the ways in which bytes are no batch: Kafka stumbles over them where it looks whether a request is transactional, and refuses all of it.
var broken = []string{"no batch", "cut", "length wrong", "length off", "bytes behind", "magic", "unknown codec"}

func has(o *op, hows []string) bool {
	return slices.ContainsFunc(hows, func(how string) bool { return strings.Contains(o.note, " "+how) })
}

// oneBadBatch: Kafka refuses a whole request for one partition's bytes, or never answers it.
func oneBadBatch(o *op, d *difference, kafka kmsg.Response) bool {
	r, ok := kafka.(*kmsg.ProduceResponse)
	if o.req.Key() != 0 || !has(o, broken) {
		return false
	}
	if !ok {
		return d.path == "the broker"
	}
	var code int16
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if code != 0 && p.ErrorCode != code || p.ErrorCode != 2 && p.ErrorCode != -1 {
				return false
			}
			code = p.ErrorCode
		}
	}
	return strings.HasPrefix(d.plain, "Topics.Partitions.")
}

// lax are the ways in which a batch can be wrong that Kafka takes.
var lax = []string{"bytes behind", "offset delta", "attribute bits", "record length", "producer epoch"}

// stricter: we refuse a batch that Kafka takes.
func stricter(o *op, d *difference, _ kmsg.Response) bool {
	if o.req.Key() != 0 || !has(o, lax) {
		return false
	}
	// A time that is out of range beside it is seen first by Kafka, whose only complaint it is.
	late := d.kafka == int64(32) && has(o, []string{"producer epoch and time", "time delta and producer epoch"})
	return d.path == "the broker" || d.plain == "Topics.Partitions.ErrorCode" && (d.kafka == int64(0) || d.kafka == int64(47) || late) && (d.ours == int64(87) || d.ours == int64(32)) ||
		d.plain == "Topics.Partitions.ErrorRecords" || (d.plain == "Topics.Partitions.BaseOffset" || d.plain == "Topics.Partitions.LogStartOffset") && d.ours == int64(-1) || d.plain == "Topics.Partitions.LogAppendTime"
}

// maxTimestampDeleted: of the largest timestamp Kafka tells the record also where it was deleted.
func maxTimestampDeleted(o *op, d *difference, kafka kmsg.Response) bool {
	r, ok := kafka.(*kmsg.ListOffsetsResponse)
	if !ok {
		return false
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			at := fmt.Sprintf("Topics[Topic=%s].Partitions[Partition=%d].", t.Topic, p.Partition)
			if strings.HasPrefix(d.path, at) && p.Offset >= 0 && o.known.deleted(d.path, p.Offset) {
				return true
			}
		}
	}
	return false
}

// idempotent reports whether a request has a batch of an idempotent producer, which may be a duplicate.
func idempotent(req kmsg.Request) bool {
	r, ok := req.(*kmsg.ProduceRequest)
	return ok && slices.ContainsFunc(r.Topics, func(t kmsg.ProduceRequestTopic) bool {
		return slices.ContainsFunc(t.Partitions, func(p kmsg.ProduceRequestTopicPartition) bool {
			return len(p.Records) > headerSize && binary.BigEndian.Uint64(p.Records[atProducer:]) != 1<<64-1
		})
	})
}

// cutShort reports whether the last batch of some partition in a Fetch reply is not whole.
func cutShort(kafka kmsg.Response) bool {
	r, ok := kafka.(*kmsg.FetchResponse)
	return ok && slices.ContainsFunc(r.Topics, func(t kmsg.FetchResponseTopic) bool {
		return slices.ContainsFunc(t.Partitions, func(p kmsg.FetchResponseTopicPartition) bool {
			_, rest := split(p.RecordBatches)
			return rest > 0
		})
	})
}

// noCompaction: a topic with cleanup.policy=compact is refused by us.
func noCompaction(o *op, d *difference, _ kmsg.Response) bool {
	req, ok := o.req.(*kmsg.CreateTopicsRequest)
	if !ok {
		return false
	}
	for _, t := range req.Topics {
		if !strings.Contains(d.path, "Topic="+t.Topic+" ") && d.path != "topic "+t.Topic {
			continue
		}
		for _, c := range t.Configs {
			if c.Name == "cleanup.policy" && c.Value != nil && strings.Contains(*c.Value, "compact") {
				return true
			}
		}
	}
	return false
}

func isNumber(d *difference) bool {
	_, a := d.kafka.(int64)
	_, b := d.ours.(int64)
	return a && b
}

func less(a, b any) bool {
	x, ok := a.(int64)
	y, ok2 := b.(int64)
	return ok && ok2 && x < y
}

// ruleFor returns the name of the first rule that explains a difference; "" if none does.
func ruleFor(o *op, d *difference, kafka kmsg.Response) string {
	for i := range rules {
		if rules[i].holds(o, d, kafka) {
			return rules[i].name
		}
	}
	return ""
}
