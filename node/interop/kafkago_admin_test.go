package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestKafkaGoAdmin runs what kafka-go's Client offers of what is served.
func TestKafkaGoAdmin(t *testing.T) {
	n := start(t)
	c := &kafka.Client{Addr: kafka.TCP(n.address), Timeout: 10 * time.Second}
	ctx := deadline(t, 30*time.Second)
	created, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "a", NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "5000000"}}}}})
	if err != nil || created.Errors["a"] != nil {
		t.Fatalf("%+v, %v", created, err)
	}
	more, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "a", Count: 3}}})
	if err != nil || more.Errors["a"] != nil {
		t.Fatalf("%+v, %v", more, err)
	}
	// Another client: the first answers from what it has read before.
	md, err := (&kafka.Client{Addr: c.Addr, Transport: &kafka.Transport{}}).Metadata(ctx, &kafka.MetadataRequest{Topics: []string{"a"}})
	if err != nil || len(md.Brokers) != 1 || md.ClusterID == "" || md.Controller.ID != md.Brokers[0].ID || len(md.Topics) != 1 || len(md.Topics[0].Partitions) != 3 {
		t.Errorf("metadata: %+v, %v", md, err)
	}
	kafkaGoConfigs(ctx, t, c)
	kafkaGoOffsets(ctx, t, c)
	elected, err := c.ElectLeaders(ctx, &kafka.ElectLeadersRequest{Topic: "a", Partitions: []int{0}})
	if err != nil || elected.Error != nil || len(elected.PartitionResults) != 1 || !errors.Is(elected.PartitionResults[0].Error, kafka.ElectionNotNeeded) {
		t.Errorf("an election: %+v, %v", elected, err)
	}
	moving, err := c.ListPartitionReassignments(ctx, &kafka.ListPartitionReassignmentsRequest{Topics: map[string]kafka.ListPartitionReassignmentsRequestTopic{
		"a": {PartitionIndexes: []int{0}}}})
	if err != nil || moving.Error != nil || len(moving.Topics) != 0 {
		t.Errorf("reassignments: %+v, %v", moving, err)
	}
	pid, err := c.InitProducerID(ctx, &kafka.InitProducerIDRequest{})
	if err != nil || pid.Error != nil || pid.Producer.ProducerID < 0 || pid.Producer.ProducerEpoch != 0 {
		t.Errorf("a producer id: %+v, %v", pid, err)
	}
	kafkaGoConn(t, n)
	deleted, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"a"}})
	if err != nil || deleted.Errors["a"] != nil {
		t.Fatalf("%+v, %v", deleted, err)
	}
}

func kafkaGoConfigs(ctx context.Context, t *testing.T, c *kafka.Client) {
	t.Helper()
	check := func(key, want string) {
		t.Helper()
		got, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: "a", ConfigNames: []string{key}}}})
		if err != nil || got.Resources[0].Error != nil || len(got.Resources[0].ConfigEntries) != 1 || got.Resources[0].ConfigEntries[0].ConfigValue != want {
			t.Errorf("%s: %+v, %v; want %s", key, got, err, want)
		}
	}
	check("retention.ms", "5000000")
	set, err := c.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "a", Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "segment.ms", Value: "60000", ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil || set.Resources[0].Error != nil {
		t.Errorf("%+v, %v", set, err)
	}
	check("segment.ms", "60000")
	check("retention.ms", "5000000")
	replaced, err := c.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "a", Configs: []kafka.AlterConfigRequestConfig{{Name: "retention.ms", Value: "7000000"}}}}})
	if err != nil || len(replaced.Errors) != 1 {
		t.Errorf("%+v, %v", replaced, err)
	}
	for _, err := range replaced.Errors { // any order: there is one
		if err != nil {
			t.Error(err)
		}
	}
	check("retention.ms", "7000000")
	check("segment.ms", "604800000")
}

// kafkaGoOffsets produces and fetches with the typed requests, and asks for offsets by their place and time.
func kafkaGoOffsets(ctx context.Context, t *testing.T, c *kafka.Client) {
	t.Helper()
	var records []kafka.Record
	for i := range 10 {
		records = append(records, kafka.Record{Time: started.Add(time.Duration(i) * time.Second), Value: kafka.NewBytes([]byte{'0' + byte(i)})})
	}
	sent, err := c.Produce(ctx, &kafka.ProduceRequest{Topic: "a", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...), Compression: kafka.Zstd})
	if err != nil || sent.Error != nil || sent.BaseOffset != 0 {
		t.Fatalf("%+v, %v", sent, err)
	}
	byTime := started.Add(6500 * time.Millisecond)
	for _, q := range []struct {
		name string
		ask  kafka.OffsetRequest
		want func(kafka.PartitionOffsets) bool
	}{
		{"first", kafka.FirstOffsetOf(0), func(o kafka.PartitionOffsets) bool { return o.FirstOffset == 0 }},
		{"last", kafka.LastOffsetOf(0), func(o kafka.PartitionOffsets) bool { return o.LastOffset == 10 }},
		{"by time", kafka.TimeOffsetOf(0, byTime), func(o kafka.PartitionOffsets) bool { return o.Offsets[7].Equal(byTime) }},
	} {
		listed, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"a": {q.ask}}})
		if err != nil || len(listed.Topics["a"]) != 1 || listed.Topics["a"][0].Error != nil || !q.want(listed.Topics["a"][0]) {
			t.Errorf("%s: %+v, %v", q.name, listed, err)
		}
	}
	got, err := c.Fetch(ctx, &kafka.FetchRequest{Topic: "a", Offset: 6, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err != nil || got.Error != nil || got.HighWatermark != 10 {
		t.Fatalf("%+v, %v", got, err)
	}
	for want := int64(0); ; want++ { // the batch that holds offset 6: skipping what comes before is the caller's
		r, err := got.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			if want != 10 {
				t.Errorf("the fetch ended at %d", want)
			}
			return
		}
		if err != nil || r.Offset != want {
			t.Fatalf("offset %d: %+v, %v", want, r, err)
		}
		if v, _ := io.ReadAll(r.Value); !bytes.Equal(v, []byte{'0' + byte(want)}) {
			t.Errorf("offset %d: %q", want, v)
		}
	}
}

// kafkaGoConn uses the older interface, whose requests have low, fixed versions.
func kafkaGoConn(t *testing.T, n *node) {
	t.Helper()
	conn, err := kafka.DialLeader(deadline(t, 10*time.Second), "tcp", n.address, "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.WriteMessages(kafka.Message{Value: []byte("by hand")}); err != nil {
		t.Error(err)
	}
	if _, err := conn.WriteCompressedMessages(kafka.Zstd.Codec(), kafka.Message{Value: []byte("with zstd")}); err != nil {
		t.Error(err)
	}
	if first, last, err := conn.ReadOffsets(); err != nil || first != 0 || last != 2 {
		t.Errorf("offsets %d and %d, %v", first, last, err)
	}
	for _, want := range []string{"by hand", "with zstd"} {
		if m, err := conn.ReadMessage(1 << 20); err != nil || string(m.Value) != want {
			t.Errorf("%q, %v; want %q", m.Value, err, want)
		}
	}
	if parts, err := conn.ReadPartitions("a"); err != nil || len(parts) != 3 {
		t.Errorf("partitions %+v, %v", parts, err)
	}
	if err := conn.CreateTopics(kafka.TopicConfig{Topic: "by-conn", NumPartitions: 1, ReplicationFactor: 1}); err != nil {
		t.Error(err)
	}
	if err := conn.DeleteTopics("by-conn"); err != nil {
		t.Error(err)
	}
}

// TestKafkaGoErrors makes what is refused, and demands kafka-go's own error for it.
func TestKafkaGoErrors(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	c := &kafka.Client{Addr: kafka.TCP(n.address), Timeout: 10 * time.Second}
	ctx := deadline(t, 30*time.Second)
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	create := func(name string, parts, replicas int, configs ...kafka.ConfigEntry) error {
		resp, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: parts, ReplicationFactor: replicas, ConfigEntries: configs}}})
		if err != nil {
			return err
		}
		return resp.Errors[name]
	}
	check("a topic", create("e", 1, 1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "500"},
		kafka.ConfigEntry{ConfigName: "message.timestamp.before.max.ms", ConfigValue: "1000"}), nil)
	check("it again", create("e", 1, 1), kafka.TopicAlreadyExists)
	check("a name", create("a/b", 1, 1), kafka.InvalidTopic)
	check("no partitions", create("p", 0, 1), kafka.InvalidPartitionNumber)
	check("three replicas", create("p", 1, 3), kafka.InvalidReplicationFactor)
	check("a mistyped config", create("p", 1, 1, kafka.ConfigEntry{ConfigName: "retention.mss", ConfigValue: "1"}), kafka.InvalidConfiguration)
	if resp, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"nothing"}}); err != nil {
		t.Error(err)
	} else {
		check("deleting nothing", resp.Errors["nothing"], kafka.UnknownTopicOrPartition)
	}
	if resp, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "e", Count: 1}}}); err != nil {
		t.Error(err)
	} else {
		check("as many partitions as before", resp.Errors["e"], kafka.InvalidPartitionNumber)
	}
	if resp, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "nothing"}}}); err != nil {
		t.Error(err)
	} else {
		check("the configs of no topic", resp.Resources[0].Error, kafka.UnknownTopicOrPartition)
	}
	produce := func(topic string, acks kafka.RequiredAcks, r kafka.Record) error {
		resp, err := c.Produce(ctx, &kafka.ProduceRequest{Topic: topic, RequiredAcks: acks, Records: kafka.NewRecordReader(r)})
		if err != nil {
			return err
		}
		return resp.Error
	}
	now := func(size int) kafka.Record {
		return kafka.Record{Time: time.Now(), Value: kafka.NewBytes(make([]byte, size))}
	}
	check("producing", produce("e", kafka.RequireAll, now(1)), nil)
	check("a record above max.message.bytes", produce("e", kafka.RequireAll, now(1000)), kafka.MessageSizeTooLarge)
	check("a record of an hour ago", produce("e", kafka.RequireAll, kafka.Record{Time: time.Now().Add(-time.Hour), Value: kafka.NewBytes([]byte("v"))}), kafka.InvalidTimestamp)
	check("five acks", produce("e", 5, now(1)), kafka.InvalidRequiredAcks)
	writer := &kafka.Writer{Addr: kafka.TCP(n.address), Topic: "nothing", MaxAttempts: 1}
	defer writer.Close()
	check("producing to no topic", writer.WriteMessages(ctx, kafka.Message{Value: []byte("v")}), kafka.UnknownTopicOrPartition)
	fetched, err := c.Fetch(ctx, &kafka.FetchRequest{Topic: "e", Offset: 100, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	check("an offset beyond the end", fetched.Error, kafka.OffsetOutOfRange)
	if coordinator, err := c.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: "g", KeyType: kafka.CoordinatorKeyTypeConsumer}); err != nil {
		t.Error(err)
	} else {
		check("the coordinator of a group", coordinator.Error, kafka.GroupCoordinatorNotAvailable)
	}
}
