// Package controller turns requests about topics, brokers and producer ids into metadata records. It reads the working image and changes nothing:
// the root appends the records and replays them (generate, append, Replay).
package controller

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// MaxRecords bounds one atomic batch of metadata (Kafka's limit of a controller result).
const MaxRecords = 10000

// State is what the controller needs besides the image.
type State struct {
	Self   record.NodeID
	Config *config.Node
	NewID  func() record.UUID // from the core's own randomness
}

// CreateTopics returns the records that make the topics of req and the reply that holds once they are committed. Topics with an error get no records.
func (s *State) CreateTopics(img *image.Image, req *kmsg.CreateTopicsRequest) ([]image.Record, *kmsg.CreateTopicsResponse) {
	var records []image.Record
	response := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	counts := map[string]int{}
	for i := range req.Topics {
		counts[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic = t.Topic
		if counts[t.Topic] == 0 {
			continue // named before, and answered once
		}
		made, problem := s.createTopic(img, t, &out, len(records))
		if counts[t.Topic] > 1 {
			made, problem = nil, &Problem{errcode.InvalidRequest, "Duplicate topic name."}
			counts[t.Topic] = 0
		}
		if problem != nil {
			out = kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, int16(problem.Code), &problem.Message
			out.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // empty, not null, as Kafka's
		} else if !req.ValidateOnly {
			records = append(records, made...)
		}
		response.Topics = append(response.Topics, out)
	}
	return records, response
}

// Problem says why a topic cannot be made.
type Problem struct {
	Code    errcode.Code
	Message string
}

func problem(code errcode.Code, format string, args ...any) *Problem {
	return &Problem{code, fmt.Sprintf(format, args...)}
}

func (s *State) createTopic(img *image.Image, t *kmsg.CreateTopicsRequestTopic, out *kmsg.CreateTopicsResponseTopic, already int) ([]image.Record, *Problem) {
	if p := checkName(img, t.Topic); p != nil {
		return nil, p
	}
	partitions, factor := t.NumPartitions, t.ReplicationFactor
	if len(t.ReplicaAssignment) > 0 {
		if partitions != -1 || factor != -1 {
			return nil, problem(errcode.InvalidRequest, "give either a replica assignment or numbers of partitions and replicas, not both")
		}
		if p := s.checkAssignment(t.ReplicaAssignment); p != nil {
			return nil, p
		}
		partitions, factor = int32(len(t.ReplicaAssignment)), 1
	}
	if partitions == -1 {
		partitions = s.Config.NumPartitions
	}
	if factor == -1 {
		factor = s.Config.ReplicationFactor
	}
	switch {
	case partitions <= 0:
		return nil, problem(errcode.InvalidPartitions, "the number of partitions must be positive, not %d", partitions)
	case factor <= 0:
		return nil, problem(errcode.InvalidReplicationFactor, "the replication factor must be positive, not %d", factor)
	case factor > 1:
		return nil, problem(errcode.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only 1 broker(s) are registered.", factor, factor)
	case already+int(partitions)+len(t.Configs)+1 > MaxRecords:
		return nil, problem(errcode.PolicyViolation, "one request may make at most %d partitions: split it", MaxRecords-1)
	}
	entries := make([]config.Entry, 0, len(t.Configs))
	for _, kv := range t.Configs {
		if kv.Value == nil {
			return nil, problem(errcode.InvalidConfig, "%s has no value", kv.Name)
		}
		entries = append(entries, config.Entry{Key: kv.Name, Value: *kv.Value})
	}
	if err := config.CheckTopic(s.Config, entries); err != nil {
		return nil, problem(errcode.InvalidConfig, "%v", err)
	}
	id := s.NewID()
	out.TopicID, out.NumPartitions, out.ReplicationFactor = id, partitions, factor
	out.Configs = describeConfigs(s.Config, entries)
	return s.topicRecords(img, t.Topic, id, partitions, entries), nil
}

// topicRecords makes a topic in Kafka's order: TopicRecord, its ConfigRecords, its PartitionRecords.
func (s *State) topicRecords(img *image.Image, name string, id record.UUID, partitions int32, entries []config.Entry) []image.Record {
	records := make([]image.Record, 0, int(partitions)+len(entries)+1)
	records = append(records, &image.TopicRecord{Name: name, ID: id})
	for _, e := range entries {
		value := e.Value
		records = append(records, &image.ConfigRecord{ResourceType: image.ResourceTopic, ResourceName: name, Name: e.Key, Value: &value})
	}
	for i := range partitions {
		records = append(records, s.partitionRecord(img, id, i))
	}
	return records
}

// checkName also refuses a name that is taken, or that differs from a taken one only in '.' and '_': both make the same metric name.
func checkName(img *image.Image, name string) *Problem {
	if err := config.CheckTopicName(name); err != nil {
		return problem(errcode.InvalidTopicException, "%v", err)
	}
	if _, ok := img.Topic(name); ok {
		return problem(errcode.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	if !strings.ContainsAny(name, "._") {
		return nil
	}
	flat := strings.ReplaceAll(name, ".", "_")
	for t := range img.Topics() {
		if strings.ReplaceAll(t.Name, ".", "_") == flat {
			return problem(errcode.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, t.Name)
		}
	}
	return nil
}

func (s *State) checkAssignment(list []kmsg.CreateTopicsRequestTopicReplicaAssignment) *Problem {
	seen := make([]bool, len(list))
	for i := range list {
		a := &list[i]
		if a.Partition < 0 || int(a.Partition) >= len(list) || seen[a.Partition] {
			return problem(errcode.InvalidReplicaAssignment, "partitions must be numbered 0 to %d, once each", len(list)-1)
		}
		seen[a.Partition] = true
		if wrong := s.checkReplicas(a.Replicas); wrong != nil {
			return wrong
		}
	}
	return nil
}

// checkReplicas checks the replicas that a request gives to one partition, in Kafka's order: from the smallest number on.
func (s *State) checkReplicas(replicas []int32) *Problem {
	if len(replicas) == 0 {
		return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, broker := range sorted {
		if broker != int32(s.Self) {
			return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", broker)
		}
		if i > 0 {
			return problem(errcode.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", broker)
		}
	}
	return nil
}

// describeConfigs lists the new topic's configs as CreateTopics 5 and later return them.
func describeConfigs(node *config.Node, entries []config.Entry) []kmsg.CreateTopicsResponseTopicConfig {
	var out []kmsg.CreateTopicsResponseTopicConfig
	for _, s := range config.TopicSettings(node, entries) {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		value := s.Value()
		c.Name, c.Value, c.Source = s.Key.Name, &value, int8(s.Synonyms[0].Source)
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// AutoCreate returns the records for those of the names that can be made, with the node's default numbers.
func (s *State) AutoCreate(img *image.Image, names []string) []image.Record {
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
		req.Topics = append(req.Topics, t)
	}
	records, _ := s.CreateTopics(img, req)
	return records
}

// DeleteTopics returns, where delete.topic.enable allows it, the records that remove the topics of req and the reply that holds once they are committed.
func (s *State) DeleteTopics(img *image.Image, req *kmsg.DeleteTopicsRequest) ([]image.Record, *kmsg.DeleteTopicsResponse) {
	var records []image.Record
	response := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	asked := namedTopics(req)
	d := countDeletions(img, asked)
	for i := range asked {
		out := d.answer(img, &asked[i])
		if out == nil {
			continue
		}
		if !s.Config.DeleteTopics && out.ErrorCode == int16(errcode.None) {
			out.ErrorCode = int16(errcode.TopicDeletionDisabled)
		}
		if out.ErrorCode == int16(errcode.None) {
			records = append(records, &image.RemoveTopicRecord{TopicID: out.TopicID})
		}
		response.Topics = append(response.Topics, *out)
	}
	return records, response
}
