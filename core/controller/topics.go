// Package controller turns requests about topics, brokers and producer ids into metadata records. It reads the working image and changes nothing:
// the root appends the records and replays them (generate, append, Replay).
package controller

import (
	"fmt"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
)

// MaxRecords bounds one atomic batch of metadata (Kafka's limit of a controller result).
const MaxRecords = 10000

// State is what the controller needs besides the image.
type State struct {
	Self        record.NodeID
	Incarnation record.UUID
	ClusterID   string
	Config      *config.Node
	NewID       func() record.UUID // from the core's own randomness
	Random      *prng.Source
	Sessions    *Sessions
	Now         int64         // monotonic time
	Next        record.Offset // of the record that is written next
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
		if p := checkAssignment(img, t.ReplicaAssignment); p != nil {
			return nil, p
		}
		partitions, factor = int32(len(t.ReplicaAssignment)), int16(len(t.ReplicaAssignment[0].Replicas))
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
	placed, wrong := s.placeTopic(img, t, id, partitions, factor)
	if wrong != nil {
		return nil, wrong
	}
	out.TopicID, out.NumPartitions, out.ReplicationFactor = id, partitions, factor
	out.Configs = describeConfigs(s.Config, entries)
	return append(topicRecords(t.Topic, id, entries), placed...), nil
}

// placeTopic makes the partitions of a new topic: where the request says, or where they fit.
func (s *State) placeTopic(img *image.Image, t *kmsg.CreateTopicsRequestTopic, id record.UUID, partitions int32, factor int16) ([]image.Record, *Problem) {
	records := make([]image.Record, partitions)
	for i := range t.ReplicaAssignment {
		a := &t.ReplicaAssignment[i]
		r, wrong := assigned(img, id, a.Partition, a.Replicas)
		if wrong != nil {
			return nil, wrong
		}
		records[a.Partition] = r
	}
	if len(t.ReplicaAssignment) > 0 {
		return records, nil
	}
	placer := newPlacer(img, s.Random)
	if wrong := placer.check(factor); wrong != nil {
		return nil, wrong
	}
	for i := range records {
		records[i], _ = partitionRecord(img, id, int32(i), placer.place(int(factor)))
	}
	return records, nil
}

// topicRecords makes a topic in Kafka's order: TopicRecord, its ConfigRecords, before its PartitionRecords.
func topicRecords(name string, id record.UUID, entries []config.Entry) []image.Record {
	records := []image.Record{&image.TopicRecord{Name: name, ID: id}}
	for _, e := range entries {
		value := e.Value
		records = append(records, &image.ConfigRecord{ResourceType: image.ResourceTopic, ResourceName: name, Name: e.Key, Value: &value})
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

func checkAssignment(img *image.Image, list []kmsg.CreateTopicsRequestTopicReplicaAssignment) *Problem {
	seen := make([]bool, len(list))
	factor := 0
	for i := range list {
		a := &list[i]
		if a.Partition < 0 || int(a.Partition) >= len(list) || seen[a.Partition] {
			return problem(errcode.InvalidReplicaAssignment, "partitions must be numbered 0 to %d, once each", len(list)-1)
		}
		seen[a.Partition] = true
		if wrong := checkReplicas(img, a.Replicas, factor); wrong != nil {
			return wrong
		}
		factor = len(a.Replicas)
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
