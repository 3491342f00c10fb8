package query

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
)

// partitionsMax is the most partitions that one DescribeTopicPartitions describes (max.request.partition.size.limit).
const partitionsMax = 2000

// DescribeTopicPartitions describes topics in order of name, all of them if none is asked for, from the cursor on and as many partitions as the limit allows.
// The answer's cursor says where the next request goes on. A cursor at a topic that is not asked for is no cursor of ours: the request is refused.
func DescribeTopicPartitions(v *View, req *kmsg.DescribeTopicPartitionsRequest) *kmsg.DescribeTopicPartitionsResponse {
	response := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	names, all := askedTopics(v, req), len(req.Topics) == 0
	if req.Cursor != nil && (req.Cursor.Partition < 0 || !all && !slices.Contains(names, req.Cursor.Topic)) {
		for i := range req.Topics {
			response.Topics = append(response.Topics, describedTopic(req.Topics[i].Topic, errcode.InvalidRequest))
		}
		return response
	}
	left := max(min(int(req.ResponsePartitionLimit), partitionsMax), 1)
	for _, name := range names {
		first := 0
		if req.Cursor != nil && req.Cursor.Topic == name {
			first = int(req.Cursor.Partition)
		}
		t, ok := v.Image.Topic(name)
		if left == 0 {
			response.NextCursor = cursorAt(name, 0)
			break
		}
		if !ok {
			code := errcode.UnknownTopicOrPartition
			if config.CheckTopicName(name) != nil {
				code = errcode.InvalidTopicException
			}
			if !all {
				response.Topics = append(response.Topics, describedTopic(name, code))
			}
			continue
		}
		first = min(first, len(t.Partitions))
		end := min(first+left, len(t.Partitions))
		out := describedTopic(name, errcode.None)
		out.TopicID = t.ID
		for i := first; i < end; i++ {
			out.Partitions = append(out.Partitions, v.describePartition(t.Partitions[i], int32(i)))
		}
		response.Topics = append(response.Topics, out)
		if end < len(t.Partitions) {
			response.NextCursor = cursorAt(name, int32(end))
			break
		}
		left -= end - first
	}
	return response
}

// askedTopics returns the names to describe, sorted, none before the cursor.
func askedTopics(v *View, req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 {
		for t := range v.Image.Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if req.Cursor != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return name < req.Cursor.Topic })
	}
	return names
}

func describedTopic(name string, code errcode.Code) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.ErrorCode, out.IsInternal = &name, int16(code), internal(name)
	if code != errcode.InvalidRequest {
		out.AuthorizedOperations = topicOperations
	}
	return out
}

func internal(topic string) bool {
	return topic == "__consumer_offsets" || topic == "__transaction_state"
}

func cursorAt(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}

func (v *View) describePartition(p *image.Partition, index int32) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	out := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	out.Partition, out.LeaderID, out.LeaderEpoch = index, int32(p.Leader), int32(p.LeaderEpoch)
	if p.Leader < 0 {
		out.ErrorCode = int16(errcode.LeaderNotAvailable)
	}
	out.Replicas, out.ISR, out.OfflineReplicas = nodeNumbers(p.Replicas), nodeNumbers(p.Isr), v.offline(p)
	out.EligibleLeaderReplicas, out.LastKnownELR = nodeNumbers(p.Elr), nodeNumbers(p.LastKnownElr)
	return out
}

// ListConfigResources lists what has or may have configs, by type; version 0 knows client metrics alone. No type is every type.
func ListConfigResources(v *View, req *kmsg.ListConfigResourcesRequest) *kmsg.ListConfigResourcesResponse {
	response := req.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	kinds := req.ResourceTypes
	if req.Version == 0 {
		kinds = []int8{int8(image.ResourceClientMetrics)}
	} else if len(kinds) == 0 {
		kinds = []int8{int8(image.ResourceTopic), int8(image.ResourceBroker), int8(kmsg.ConfigResourceTypeBrokerLogger), int8(image.ResourceClientMetrics),
			int8(image.ResourceGroup)}
	}
	add := func(kind int8, name string) {
		r := kmsg.NewListConfigResourcesResponseConfigResource()
		r.Type, r.Name = kind, name
		response.ConfigResources = append(response.ConfigResources, r)
	}
	for i, kind := range kinds {
		if slices.Contains(kinds[:i], kind) {
			continue
		}
		switch kmsg.ConfigResourceType(kind) {
		case kmsg.ConfigResourceTypeTopic:
			for t := range v.Image.Topics() {
				add(kind, t.Name)
			}
		case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger:
			for b := range v.Image.Brokers() {
				add(kind, strconv.Itoa(int(b.ID)))
			}
		case kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
			for _, name := range v.Image.Configured(image.ResourceType(kind)) {
				add(kind, name)
			}
		default:
			response.ConfigResources, response.ErrorCode = nil, int16(errcode.UnsupportedVersion)
			return response
		}
	}
	return response
}
