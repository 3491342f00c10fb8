package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
)

func state(t *testing.T) *State {
	cfg, err := config.ParseNode([]config.Entry{{Key: "num.partitions", Value: "3"}})
	if err != nil {
		t.Fatal(err)
	}
	n := byte(0)
	random := prng.FromNumber(1, 1)
	s := &State{Self: 1, Incarnation: record.UUID{7}, ClusterID: "c", Config: cfg, NewID: func() record.UUID { n++; return record.UUID{1, 15: n} }, Random: &random, Sessions: &Sessions{}}
	s.Sessions.Begin(image.Empty(), 0)
	return s
}

// brokers is an image of unfenced brokers.
func brokers(t *testing.T, ids ...record.NodeID) *image.Image {
	records := []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: MetadataVersion}}
	for _, id := range ids {
		records = append(records, &image.RegisterBrokerRecord{BrokerID: id, IncarnationID: record.UUID{byte(id)}, BrokerEpoch: int64(id), LogDirs: []record.UUID{{8, byte(id)}}})
	}
	return replay(t, image.Empty(), records)
}

func replay(t *testing.T, img *image.Image, records []image.Record) *image.Image {
	t.Helper()
	next, err := img.Replay(records, image.At{Offset: img.Offset() + record.Offset(len(records)), Epoch: 1})
	if err != nil {
		t.Fatalf("what the controller wrote does not replay: %v", err)
	}
	return next
}

func topic(name string, change ...func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
	for _, c := range change {
		c(&t)
	}
	return t
}

func set(key, value string) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
	}
}

func create(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.Topics = 7, topics
	return req
}

func TestCreateTopics(t *testing.T) {
	s := state(t)
	records, resp := s.CreateTopics(brokers(t, 1), create(topic("a", set("flush.messages", "100")), topic("b", func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1 })))
	img := replay(t, brokers(t, 1), records)
	a, _ := img.Topic("a")
	if resp.Topics[0].ErrorCode != 0 || resp.Topics[0].NumPartitions != 3 || a == nil || len(a.Partitions) != 3 || record.UUID(resp.Topics[0].TopicID) != a.ID {
		t.Fatalf("topic a is %+v, told %+v", a, resp.Topics[0])
	}
	if v, _ := img.ConfigValue(image.ResourceTopic, "a", "flush.messages"); v != "100" {
		t.Fatalf("flush.messages is %q", v)
	}
	if p := a.Partitions[0]; p.Leader != 1 || p.LeaderEpoch != 0 || len(p.Isr) != 1 {
		t.Fatalf("partition %+v", p)
	}
	for _, c := range resp.Topics[0].Configs {
		if want := map[bool]kmsg.ConfigSource{true: kmsg.ConfigSourceDynamicTopicConfig, false: kmsg.ConfigSourceDefaultConfig}[c.Name == "flush.messages"]; c.Source != int8(want) {
			t.Errorf("config %s has source %d", c.Name, c.Source)
		}
	}
}

func TestCreateTopicsRefuses(t *testing.T) {
	s := state(t)
	records, _ := s.CreateTopics(brokers(t, 1), create(topic("taken"), topic("dotted.name")))
	img := replay(t, brokers(t, 1), records)
	number := func(partitions int32, factor int16) func(*kmsg.CreateTopicsRequestTopic) {
		return func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions, t.ReplicationFactor = partitions, factor }
	}
	assign := func(replicas ...int32) func(*kmsg.CreateTopicsRequestTopic) {
		return func(t *kmsg.CreateTopicsRequestTopic) {
			for i, r := range replicas {
				t.ReplicaAssignment = append(t.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: []int32{r}})
			}
		}
	}
	cases := []struct {
		topic kmsg.CreateTopicsRequestTopic
		code  errcode.Code
		text  string
	}{
		{topic("taken"), errcode.TopicAlreadyExists, "already exists"},
		{topic("dotted_name"), errcode.InvalidTopicException, "collides with existing topic: dotted.name"},
		{topic("sp ace"), errcode.InvalidTopicException, "Topic name is invalid: 'sp ace' contains"},
		{topic("p", number(0, 1)), errcode.InvalidPartitions, "must be positive"},
		{topic("p", number(20000, 1)), errcode.PolicyViolation, "at most"},
		{topic("p", number(1, 0)), errcode.InvalidReplicationFactor, "must be positive"},
		{topic("p", number(1, 3)), errcode.InvalidReplicationFactor, "only 1 broker(s) are registered"},
		{topic("p", set("flush.message", "1")), errcode.InvalidConfig, `did you mean "flush.messages"?`},
		{topic("p", set("segment.bytes", "1")), errcode.InvalidConfig, "must lie between"},
		{topic("p", set("preallocate", "true")), errcode.InvalidConfig, "can only be"},
		{topic("p", assign(2)), errcode.InvalidReplicaAssignment, "includes broker 2, but no such broker is registered"},
		{topic("p", assign(1, 1), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[1].Replicas = []int32{1, 1} }), errcode.InvalidReplicaAssignment, "includes the broker 1 more than once"},
		{topic("p", assign(1), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[0].Replicas = nil }), errcode.InvalidReplicaAssignment, "includes an empty replica list"},
		{topic("p", assign(1), number(1, 1)), errcode.InvalidRequest, "not both"},
	}
	for _, c := range cases {
		records, resp := s.CreateTopics(img, create(c.topic))
		got := resp.Topics[0]
		if errcode.Code(got.ErrorCode) != c.code || got.ErrorMessage == nil || !strings.Contains(*got.ErrorMessage, c.text) || len(records) != 0 {
			t.Errorf("%s: %v %q with %d records, want %v %q", c.topic.Topic, errcode.Code(got.ErrorCode), *got.ErrorMessage, len(records), c.code, c.text)
		}
	}
	if records, resp := s.CreateTopics(img, create(topic("x"), topic("x"))); len(records) != 0 || len(resp.Topics) != 1 || errcode.Code(resp.Topics[0].ErrorCode) != errcode.InvalidRequest || resp.Topics[0].Configs == nil {
		t.Errorf("a topic named twice: %d records, %v", len(records), resp.Topics)
	}
	dry := create(topic("x"))
	dry.ValidateOnly = true
	if records, resp := s.CreateTopics(img, dry); len(records) != 0 || resp.Topics[0].ErrorCode != 0 {
		t.Errorf("validate only: %d records, %v", len(records), resp.Topics)
	}
	if records, resp := s.CreateTopics(img, create(topic("p", assign(1, 1)))); len(records) != 3 || resp.Topics[0].NumPartitions != 2 {
		t.Errorf("an assignment: %d records, %+v", len(records), resp.Topics[0])
	}
}

func TestDeleteTopics(t *testing.T) {
	s := state(t)
	records, created := s.CreateTopics(brokers(t, 1), create(topic("a"), topic("b")))
	img := replay(t, brokers(t, 1), records)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 6
	name := "a"
	deleting := func(want string, topics ...kmsg.DeleteTopicsRequestTopic) []image.Record {
		req.Topics = topics
		records, resp := s.DeleteTopics(img, req)
		var codes []string
		for i := range resp.Topics {
			codes = append(codes, errcode.Code(resp.Topics[i].ErrorCode).String())
		}
		if got := fmt.Sprint(codes); got != want {
			t.Errorf("deleting: %s, want %s", got, want)
		}
		return records
	}
	never, first, second := "never", created.Topics[0].TopicID, created.Topics[1].TopicID
	for _, twice := range [][]kmsg.DeleteTopicsRequestTopic{{{Topic: &name}, {Topic: &name}}, {{TopicID: first}, {TopicID: first}}, {{Topic: &never}, {Topic: &never}},
		{{Topic: &name, TopicID: first}}, {{}}} {
		if records := deleting("[INVALID_REQUEST]", twice...); len(records) != 0 {
			t.Errorf("%v: %d topics go", twice, len(records))
		}
	}
	if records := deleting("[INVALID_REQUEST]", kmsg.DeleteTopicsRequestTopic{TopicID: first}, kmsg.DeleteTopicsRequestTopic{Topic: &name}); len(records) != 0 {
		t.Errorf("by id and by name: %d topics go", len(records))
	}
	records = deleting("[NONE NONE UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_ID]", kmsg.DeleteTopicsRequestTopic{Topic: &name}, kmsg.DeleteTopicsRequestTopic{TopicID: second},
		kmsg.DeleteTopicsRequestTopic{Topic: &never}, kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{9}})
	if img = replay(t, img, records); img.TopicCount() != 0 {
		t.Errorf("%d topics are left", img.TopicCount())
	}
}
