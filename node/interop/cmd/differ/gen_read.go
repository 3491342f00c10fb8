package main

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (g *generator) listOffsets() *op {
	req := kmsg.NewPtrListOffsetsRequest()
	g.version(req)
	req.ReplicaID, req.IsolationLevel, req.TimeoutMillis = pick(g, int32(-1), -1, -1, -2), int8(g.IntN(2)), 5000
	for _, t := range distinct(1+g.IntN(2), g.topicMaybe) {
		out := kmsg.NewListOffsetsRequestTopic()
		out.Topic = t.name
		numbers, parts := g.someParts(t, 1+g.IntN(3))
		for i, p := range parts {
			q := kmsg.NewListOffsetsRequestTopicPartition()
			q.Partition, q.CurrentLeaderEpoch = numbers[i], -1
			if g.chance(6) {
				q.CurrentLeaderEpoch = pick(g, int32(0), 1, 9, -2)
			}
			q.Timestamp = pick(g, int64(-1), -1, -1, -2, -2, -3, -4, -5, -6, -7)
			if !t.stampedBy && g.chance(2) {
				q.Timestamp = pick(g, g.now-g.Int64N(3_600_000), g.now+500-g.Int64N(1000), 0, 1, g.now+1_000_000)
				if len(p.times) > 0 {
					q.Timestamp = p.times[g.IntN(len(p.times))] + g.Int64N(3) - 1
				}
			}
			out.Partitions = append(out.Partitions, q)
		}
		req.Topics = append(req.Topics, out)
	}
	return &op{req: req}
}

func (g *generator) metadata() *op {
	req := kmsg.NewPtrMetadataRequest()
	g.version(req)
	req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = g.chance(3), g.chance(3)
	var made []string
	if !g.chance(4) {
		req.Topics = []kmsg.MetadataRequestTopic{}
		for _, t := range distinct(g.IntN(3), g.topicMaybe) {
			out := kmsg.NewMetadataRequestTopic()
			if out.Topic = &t.name; req.Version >= 12 && g.chance(2) {
				out.Topic, out.TopicID = nil, t.id()
			} else if req.Version >= 10 && g.chance(10) {
				out.TopicID = t.id()
			}
			req.Topics = append(req.Topics, out)
		}
		if g.chance(6) && len(g.topics) < mostTopics {
			g.created++
			out := kmsg.NewMetadataRequestTopic()
			out.Topic = kmsg.StringPtr(g.fresh())
			req.Topics, made = append(req.Topics, out), append(made, *out.Topic)
		}
	}
	req.AllowAutoTopicCreation = len(made) > 0 && g.chance(2)
	o := &op{req: req}
	if req.AllowAutoTopicCreation || req.Version < 4 {
		o.changes, o.then = true, func(resp kmsg.Response) {
			for _, t := range resp.(*kmsg.MetadataResponse).Topics {
				if t.Topic != nil && g.find(*t.Topic) == nil && (t.ErrorCode == 3 || t.ErrorCode == 5) && legal(*t.Topic) {
					g.add(*t.Topic, defaultPartitions, nil)
				}
			}
		}
	}
	return o
}

func (g *generator) fresh() string {
	return "auto" + string(rune('a'+g.created%26)) + string(rune('a'+g.created/26%26))
}

// legal reports whether a name that this generator makes up is one of a topic.
func legal(name string) bool { return name != "" && name != "b/d" && name != "no such topic" }

func (g *generator) describeTopicPartitions() *op {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	g.version(req)
	req.ResponsePartitionLimit = pick(g, int32(2000), 2000, 1, 2, 3, 0, -1)
	for _, t := range distinct(g.IntN(4), g.topicMaybe) {
		out := kmsg.NewDescribeTopicPartitionsRequestTopic()
		out.Topic = t.name
		req.Topics = append(req.Topics, out)
	}
	if len(req.Topics) == 0 { // Kafka's own topics would count
		req.ResponsePartitionLimit = 2000
	}
	if g.chance(4) {
		c := kmsg.NewDescribeTopicPartitionsRequestCursor()
		c.Topic, c.Partition = g.topicMaybe().name, pick(g, int32(0), 0, 1, 2, 9, -1)
		req.Cursor = &c
	}
	return &op{req: req}
}

func (g *generator) describeLogDirs() *op {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	g.version(req)
	if req.Topics = nil; !g.chance(3) {
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{}
		for _, t := range distinct(g.IntN(3), g.topicMaybe) {
			out := kmsg.NewDescribeLogDirsRequestTopic()
			out.Topic = t.name
			out.Partitions, _ = g.someParts(t, g.IntN(3))
			req.Topics = append(req.Topics, out)
		}
	}
	return &op{req: req}
}

func (g *generator) offsetForLeaderEpoch() *op {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	g.version(req)
	req.ReplicaID = pick(g, int32(-1), -1, -2)
	for _, t := range distinct(1+g.IntN(2), g.topicMaybe) {
		out := kmsg.NewOffsetForLeaderEpochRequestTopic()
		out.Topic = t.name
		numbers, _ := g.someParts(t, 1+g.IntN(2))
		for _, n := range numbers {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = n, pick(g, int32(-1), -1, 0, 0, 1, 7), pick(g, int32(0), 0, 0, 1, -1, 5, -2)
			out.Partitions = append(out.Partitions, p)
		}
		req.Topics = append(req.Topics, out)
	}
	return &op{req: req}
}

func (g *generator) describeProducers() *op {
	req := kmsg.NewPtrDescribeProducersRequest()
	g.version(req)
	for _, t := range distinct(1+g.IntN(2), g.topicMaybe) {
		out := kmsg.NewDescribeProducersRequestTopic()
		out.Topic = t.name
		out.Partitions, _ = g.someParts(t, 1+g.IntN(3))
		req.Topics = append(req.Topics, out)
	}
	return &op{req: req}
}

func (g *generator) electLeaders() *op {
	req := kmsg.NewPtrElectLeadersRequest()
	g.version(req)
	req.ElectionType, req.TimeoutMillis = pick(g, int8(0), 0, 1), 5000
	if req.Topics = nil; !g.chance(3) {
		req.Topics = []kmsg.ElectLeadersRequestTopic{}
		for _, t := range distinct(g.IntN(3), g.topicMaybe) {
			out := kmsg.NewElectLeadersRequestTopic()
			out.Topic = t.name
			out.Partitions, _ = g.someParts(t, 1+g.IntN(2))
			req.Topics = append(req.Topics, out)
		}
	}
	return &op{req: req}
}

func (g *generator) listReassignments() *op {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	g.version(req)
	req.TimeoutMillis = 5000
	if req.Topics = nil; !g.chance(3) {
		req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{}
		for _, t := range distinct(g.IntN(3), g.topicMaybe) {
			out := kmsg.NewListPartitionReassignmentsRequestTopic()
			out.Topic = t.name
			out.Partitions, _ = g.someParts(t, 1+g.IntN(2))
			req.Topics = append(req.Topics, out)
		}
	}
	return &op{req: req}
}
