package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// mostTopics are kept at a time.
const mostTopics = 12

// topicConfigs are good settings of a new topic.
var topicConfigs = [][]string{
	{}, {}, {}, {}, {},
	{"message.timestamp.type=LogAppendTime"},
	{"message.timestamp.type=LogAppendTime", "compression.type=lz4"},
	{"max.message.bytes=400"},
	{"max.message.bytes=2000", "message.timestamp.before.max.ms=3600000", "message.timestamp.after.max.ms=1000"},
	{"compression.type=gzip"}, {"compression.type=zstd"}, {"compression.type=uncompressed"}, {"compression.type=snappy"},
	{"min.insync.replicas=2"}, {"retention.ms=-1", "flush.messages=100000"},
	{"cleanup.policy=compact"}, {"cleanup.policy=compact,delete"},
}

// badConfigs are settings that Kafka refuses.
var badConfigs = []string{"retention.ms=-2", "retention.ms=abc", "max.message.bytes=-1", "no.such.key=1", "cleanup.policy=keep", "compression.type=rar",
	"message.timestamp.type=Never", "min.insync.replicas=0", "segment.bytes=13", "segment.bytes=2147483648", "retention.bytes=1.5", "unclean.leader.election.enable=maybe",
	"segment.ms=0", "retention.ms=", "min.cleanable.dirty.ratio=1.5", "min.cleanable.dirty.ratio=x", "flush.ms=-1", "compression.gzip.level=10", "compression.gzip.level=0",
	"compression.lz4.level=18", "compression.zstd.level=23", "index.interval.bytes=-1", "delete.retention.ms=-1", "max.compaction.lag.ms=0", "retention.ms= 5 "}

var badNames = []string{"", ".", "..", "b/d", "no such topic", strings.Repeat("x", 250), "ünknown", "a\x00b"}

func (g *generator) newTopic() kmsg.CreateTopicsRequestTopic {
	g.created++
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("t%d", g.created), int32(1+g.IntN(3)), 1
	for _, c := range topicConfigs[g.IntN(len(topicConfigs))] {
		t.Configs = append(t.Configs, config(c))
	}
	if len(g.dead) > 0 && g.chance(3) {
		t.Topic = g.dead[g.IntN(len(g.dead))].name
	}
	return t
}

func config(s string) kmsg.CreateTopicsRequestTopicConfig {
	c := kmsg.NewCreateTopicsRequestTopicConfig()
	name, value, _ := strings.Cut(s, "=")
	c.Name, c.Value = name, &value
	return c
}

func (g *generator) createTopic() *op {
	req := kmsg.NewPtrCreateTopicsRequest()
	g.version(req)
	req.TimeoutMillis = 10000
	req.Topics = append(req.Topics, g.newTopic())
	return g.creating(req)
}

func (g *generator) createTopics() *op {
	req := kmsg.NewPtrCreateTopicsRequest()
	g.version(req)
	req.TimeoutMillis, req.ValidateOnly = 10000, g.chance(5)
	for range 1 + g.IntN(2) {
		t := g.newTopic()
		if g.chance(3) {
			g.spoilTopic(&t, req.Version)
		}
		req.Topics = append(req.Topics, t)
	}
	if g.chance(20) {
		req.Topics = append(req.Topics, req.Topics[0])
	}
	if len(g.topics)+len(req.Topics) > mostTopics {
		req.ValidateOnly = true
	}
	return g.creating(req)
}

// spoilTopic makes one thing of a new topic wrong, or unusual.
func (g *generator) spoilTopic(t *kmsg.CreateTopicsRequestTopic, version int16) {
	switch g.IntN(9) {
	case 0:
		t.Topic = g.topic().name
	case 1:
		t.Topic = pick(g, badNames...)
	case 2:
		t.NumPartitions = pick(g, int32(0), -1, -2, -5)
	case 3:
		t.ReplicationFactor = pick(g, int16(0), -1, -2, 2, 3, 30)
	case 4, 5:
		t.Configs = append(t.Configs, config(pick(g, badConfigs...)))
	case 6:
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "retention.ms"}) // null
	case 7:
		t.NumPartitions, t.ReplicationFactor = -1, -1
		g.assign(t)
	case 8:
		g.assign(t) // beside numbers
	}
}

// assign places a topic's partitions: rightly, twice on one broker, on one that is not there, with gaps.
func (g *generator) assign(t *kmsg.CreateTopicsRequestTopic) {
	for i := range 1 + g.IntN(2) {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(i), []int32{1}
		if g.chance(3) {
			a.Replicas = pick(g, []int32{2}, []int32{1, 1}, []int32{}, []int32{-1}, []int32{1, 2})
		}
		if g.chance(6) {
			a.Partition = pick(g, int32(0), 5, -1)
		}
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
}

func (g *generator) creating(req *kmsg.CreateTopicsRequest) *op {
	return &op{req: req, changes: true, then: func(resp kmsg.Response) {
		for _, r := range resp.(*kmsg.CreateTopicsResponse).Topics {
			if r.ErrorCode != 0 || req.ValidateOnly {
				continue
			}
			i := slices.IndexFunc(req.Topics, func(t kmsg.CreateTopicsRequestTopic) bool { return t.Topic == r.Topic })
			n := max(int(req.Topics[i].NumPartitions), len(req.Topics[i].ReplicaAssignment))
			if n < 1 {
				n = defaultPartitions
			}
			g.add(r.Topic, n, req.Topics[i].Configs)
		}
	}}
}

// add notes a topic.
func (g *generator) add(name string, partitions int, configs []kmsg.CreateTopicsRequestTopicConfig) {
	t := &topic{name: name, life: 1, maxBytes: 1048588, configs: map[string]string{}}
	for _, d := range g.dead {
		if d.name == name {
			t.life = max(t.life, d.life+1)
		}
	}
	for range partitions {
		t.parts = append(t.parts, &partition{})
	}
	for _, c := range configs {
		if c.Value != nil {
			t.configs[c.Name] = *c.Value
		}
	}
	g.topics = append(g.topics, t)
	slices.SortFunc(g.topics, func(a, b *topic) int { return strings.Compare(a.name, b.name) }) // whatever the order of Kafka's reply
	t.reread()
	g.known.names[fmt.Sprintf("%x", t.id())] = name
	g.known.recoded[name] = t.configs["compression.type"] != "" && t.configs["compression.type"] != "producer"
	g.known.rolled[name] = false
}

// reread notes what of a topic's configs matters to the generator.
func (t *topic) reread() {
	t.stampedBy = t.configs["message.timestamp.type"] == "LogAppendTime"
	t.maxBytes = 1048588
	if s, ok := t.configs["max.message.bytes"]; ok {
		fmt.Sscan(s, &t.maxBytes)
	}
}

func (g *generator) deleteTopics() *op {
	req := kmsg.NewPtrDeleteTopicsRequest()
	g.version(req)
	req.TimeoutMillis = 10000
	var asked []*topic
	for range 1 + g.IntN(2) {
		t := g.topicMaybe()
		if len(g.topics) < 4 {
			t = &topic{name: pick(g, "never", "b/d", "gone"), life: neverLived}
		}
		asked = append(asked, t)
		req.TopicNames = append(req.TopicNames, t.name)
		out := kmsg.NewDeleteTopicsRequestTopic()
		if g.chance(2) {
			out.TopicID = t.id()
		} else {
			out.Topic = &t.name
		}
		if g.chance(15) { // both, or neither
			out.TopicID, out.Topic = t.id(), pick(g, &t.name, nil)
		}
		req.Topics = append(req.Topics, out)
	}
	return &op{req: req, changes: true, then: func(resp kmsg.Response) {
		for _, r := range resp.(*kmsg.DeleteTopicsResponse).Topics {
			for _, t := range asked {
				if i := slices.Index(g.topics, t); i >= 0 && r.ErrorCode == 0 && (r.Topic != nil && *r.Topic == t.name || r.TopicID == t.id()) {
					g.topics = slices.Delete(g.topics, i, i+1)
					g.dead = append(g.dead, t)
				}
			}
		}
	}}
}

func (g *generator) createPartitions() *op {
	req := kmsg.NewPtrCreatePartitionsRequest()
	g.version(req)
	req.TimeoutMillis, req.ValidateOnly = 10000, g.chance(4)
	asked := distinct(1+g.IntN(2), g.topicMaybe)
	for _, t := range asked {
		out := kmsg.NewCreatePartitionsRequestTopic()
		out.Topic, out.Count = t.name, int32(len(t.parts))+pick(g, int32(1), 1, 1, 2, 0, -1, -100)
		if len(t.parts) > 5 {
			out.Count = int32(len(t.parts))
		}
		if g.chance(3) {
			for range 1 + g.IntN(2) {
				a := kmsg.NewCreatePartitionsRequestTopicAssignment()
				a.Replicas = pick(g, []int32{1}, []int32{1}, []int32{2}, []int32{1, 1}, []int32{}, []int32{1, 2})
				out.Assignment = append(out.Assignment, a)
			}
		}
		req.Topics = append(req.Topics, out)
	}
	if g.chance(15) {
		req.Topics = append(req.Topics, req.Topics[0])
	}
	return &op{req: req, changes: true, then: func(resp kmsg.Response) {
		for _, r := range resp.(*kmsg.CreatePartitionsResponse).Topics {
			if t := g.find(r.Topic); t != nil && r.ErrorCode == 0 && !req.ValidateOnly {
				i := slices.IndexFunc(req.Topics, func(x kmsg.CreatePartitionsRequestTopic) bool { return x.Topic == r.Topic })
				for len(t.parts) < int(req.Topics[i].Count) {
					t.parts = append(t.parts, &partition{})
				}
			}
		}
	}}
}

func (g *generator) deleteRecords() *op {
	req := kmsg.NewPtrDeleteRecordsRequest()
	g.version(req)
	req.TimeoutMillis = 10000
	type cut struct {
		p  *partition
		to int64
	}
	cuts := map[string]cut{}
	for _, t := range distinct(1+g.IntN(2), g.topicMaybe) {
		out := kmsg.NewDeleteRecordsRequestTopic()
		out.Topic = t.name
		numbers, parts := g.someParts(t, 1+g.IntN(2))
		for i, p := range parts {
			q := kmsg.NewDeleteRecordsRequestTopicPartition()
			q.Partition, q.Offset = numbers[i], p.start+g.Int64N(max((p.end-p.start)/3, 1))
			if g.chance(5) {
				q.Offset = pick(g, -1, -2, p.end, p.end+1, p.start, p.start-1, 1<<40)
			}
			out.Partitions = append(out.Partitions, q)
			g.known.starts[fmt.Sprintf("%s/%d", t.name, numbers[i])] = p
			cuts[fmt.Sprintf("%s/%d", t.name, numbers[i])] = cut{p, q.Offset}
		}
		req.Topics = append(req.Topics, out)
	}
	return &op{req: req, then: func(resp kmsg.Response) {
		for _, t := range resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, p := range t.Partitions {
				if c, ok := cuts[fmt.Sprintf("%s/%d", t.Topic, p.Partition)]; ok && p.ErrorCode == 0 {
					c.p.start = p.LowWatermark
				}
			}
		}
	}}
}
