package clientlib

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"odradek/clientlib/proto"
	"odradek/core"
	"odradek/core/errcode"
)

// What the admin does shows in what it describes, and what is refused is told for each thing by itself.
func TestAdminTopics(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0", core.KeyValue{Key: "num.partitions", Value: "2"})
	defer stopNode(t, n)
	a, ctx := newClient(t, address(n)).Admin(), t.Context()
	made, err := a.CreateTopics(ctx, false, NewTopic{Name: "b", Partitions: 3, Configs: []ConfigValue{{"retention.ms", "1000"}}}, NewTopic{Name: "a"}, NewTopic{Name: "bad name"})
	if len(made) != 2 || made[0].Partitions != 3 || made[1] != (Created{"a", 2, 1}) {
		t.Errorf("made %+v", made)
	}
	wantError(t, err, errcode.InvalidTopicException, nil, "CreateTopics bad name")
	_, err = a.CreateTopics(ctx, false, NewTopic{Name: "a"})
	wantError(t, err, errcode.TopicAlreadyExists, nil, "'a' already exists")
	_, err = a.CreateTopics(ctx, false, NewTopic{Name: "c", ReplicationFactor: 2})
	wantError(t, err, errcode.InvalidReplicationFactor, nil, "replication factor of 2")
	if _, err := a.CreateTopics(ctx, true, NewTopic{Name: "c"}); err != nil {
		t.Error(err)
	}
	if err := a.CreatePartitions(ctx, "a", 4); err != nil {
		t.Error(err)
	}
	wantError(t, a.CreatePartitions(ctx, "a", 1), errcode.InvalidPartitions, nil, "a")
	topics, err := a.Topics(ctx)
	if err != nil || len(topics) != 2 || topics[0].Name != "a" || len(topics[0].Partitions) != 4 || !topics[1].Partitions[2].Healthy() {
		t.Errorf("%+v, %v", topics, err)
	}
	topics, err = a.Topics(ctx, "b", "none", "a")
	if len(topics) != 2 || topics[0].Name != "b" {
		t.Errorf("%+v", topics)
	}
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "Metadata none")
	gone, err := a.DeleteTopics(ctx, "none", "b")
	if !slices.Equal(gone, []string{"b"}) {
		t.Errorf("deleted %v", gone)
	}
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "DeleteTopics none")
	if Code(errors.Join(errors.New("x"), err)) != errcode.UnknownTopicOrPartition || Code(context.Canceled) != errcode.None {
		t.Error("Code does not find the code")
	}
}

func TestAdminConfigs(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer stopNode(t, n)
	c := newClient(t, address(n))
	a, ctx := c.Admin(), t.Context()
	createTopic(t, c, "t", 1)
	if err := a.AlterConfigs(ctx, TopicResource("t"), false, ConfigChange{Name: "retention.ms", Value: "5000"}, ConfigChange{Name: "cleanup.policy", Op: ConfigAppend, Value: "delete"}); err != nil {
		t.Fatal(err)
	}
	value := func(of Resource, key string) (string, ConfigEntry) {
		t.Helper()
		entries, err := a.Configs(ctx, of, key)
		if err != nil || len(entries) != 1 || entries[0].Value == nil {
			t.Fatalf("%v: %+v, %v", of, entries, err)
		}
		return *entries[0].Value, entries[0]
	}
	if v, e := value(TopicResource("t"), "retention.ms"); v != "5000" || e.Default || e.Source != "DYNAMIC_TOPIC_CONFIG" {
		t.Errorf("%+v", e)
	}
	if v, e := value(TopicResource("t"), "cleanup.policy"); v != "delete" || e.Source != "DYNAMIC_TOPIC_CONFIG" {
		t.Errorf("after appending what is there: %+v", e)
	}
	if err := a.AlterConfigs(ctx, TopicResource("t"), true, ConfigChange{Name: "retention.ms", Op: ConfigDelete}); err != nil {
		t.Error(err)
	}
	if v, _ := value(TopicResource("t"), "retention.ms"); v != "5000" {
		t.Error("what was only to be validated was done")
	}
	if err := a.AlterConfigs(ctx, TopicResource("t"), false, ConfigChange{Name: "retention.ms", Op: ConfigDelete}); err != nil {
		t.Error(err)
	}
	if v, e := value(TopicResource("t"), "retention.ms"); v != "604800000" || !e.Default {
		t.Errorf("%+v", e)
	}
	wantError(t, a.AlterConfigs(ctx, TopicResource("t"), false, ConfigChange{Name: "retention.ms", Value: "x"}), errcode.InvalidConfig, nil, "IncrementalAlterConfigs t")
	_, err := a.Configs(ctx, TopicResource("none"))
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "none")
	cluster, err := a.Cluster(ctx)
	if err != nil || len(cluster.Brokers) != 1 || cluster.Brokers[0].Address != address(n) || cluster.ID == "" {
		t.Fatalf("%+v, %v", cluster, err)
	}
	if v, e := value(BrokerResource(cluster.Brokers[0].ID), "node.id"); v == "" || !e.ReadOnly {
		t.Errorf("%+v", e)
	}
	_, err = a.Configs(ctx, BrokerResource(77))
	wantError(t, err, errcode.None, proto.ErrUnreachable, "no such broker")
}

func TestAdminOffsets(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer stopNode(t, n)
	c := newClient(t, address(n))
	a, ctx := c.Admin(), t.Context()
	createTopic(t, c, "t", 2)
	p, err := c.Producer(proto.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	base := time.UnixMilli(time.Now().UnixMilli()).Add(-time.Minute)
	for i := range 10 {
		if _, err := p.SendWait(ctx, &Record{Topic: "t", Partition: 1, Value: []byte("v"), Timestamp: base.Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	both := []TopicPartition{{"t", 1}, {"t", 0}}
	for spec, want := range map[OffsetSpec][2]int64{OffsetEarliest: {0, 0}, OffsetLatest: {0, 10}, OffsetMaxTime: {-1, 9}, OffsetAt(base.Add(3500 * time.Millisecond)): {-1, 4}} { // any order: each by itself
		got, err := a.Offsets(ctx, spec, false, both...)
		if err != nil || len(got) != 2 || got[0].Partition != 0 || got[0].Offset != want[0] || got[1].Offset != want[1] {
			t.Errorf("%d: %+v, %v; want %v", spec, got, err, want)
		}
	}
	starts, err := a.DeleteRecords(ctx, DeleteTo{TopicPartition{"t", 1}, 6})
	if err != nil || len(starts) != 1 || starts[0].Offset != 6 {
		t.Errorf("%+v, %v", starts, err)
	}
	if _, err = a.DeleteRecords(ctx, DeleteTo{TopicPartition{"t", 1}, 60}); err == nil {
		t.Error("records that there are not were deleted")
	}
	wantError(t, err, errcode.OffsetOutOfRange, nil, "DeleteRecords t-1")
	got, err := a.Offsets(ctx, OffsetEarliest, false, TopicPartition{"t", 7}, TopicPartition{"t", 1}, TopicPartition{"none", 0})
	if len(got) != 1 || got[0].Offset != 6 {
		t.Errorf("%+v", got)
	}
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "none-0")
	active, err := a.Producers(ctx, both...)
	if err != nil || len(active) != 1 || active[0].LastSequence != 9 || active[0].Partition != 1 {
		t.Errorf("%+v, %v", active, err)
	}
	dirs, err := a.LogDirs(ctx)
	if err != nil || len(dirs) != 1 || len(dirs[0].Replicas) != 2 || dirs[0].Replicas[1].Bytes == 0 || dirs[0].TotalBytes <= 0 {
		t.Errorf("%+v, %v", dirs, err)
	}
}
