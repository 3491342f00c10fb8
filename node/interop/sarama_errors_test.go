package interop

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// TestSaramaErrors makes what is refused, and demands sarama's own error for it.
func TestSaramaErrors(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	admin, err := sarama.NewClusterAdmin([]string{n.address}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	// create returns the error inside: a TopicError names its code in a field and is no wrapper of it.
	create := func(topic string, detail *sarama.TopicDetail) error {
		if detail.ReplicationFactor == 0 {
			detail.ReplicationFactor = 1
		}
		var refused *sarama.TopicError
		if err := admin.CreateTopic(topic, detail, false); errors.As(err, &refused) {
			return refused.Err
		} else {
			return err
		}
	}
	one := func() *sarama.TopicDetail {
		return &sarama.TopicDetail{NumPartitions: 1, ConfigEntries: map[string]*string{}}
	}
	check("a topic", create("e", &sarama.TopicDetail{NumPartitions: 1, ConfigEntries: map[string]*string{"max.message.bytes": text("500"),
		"message.timestamp.before.max.ms": text("1000")}}), nil)
	check("it again", create("e", one()), sarama.ErrTopicAlreadyExists)
	check("a name", create("a/b", one()), sarama.ErrInvalidTopic)
	check("no partitions", create("p", &sarama.TopicDetail{NumPartitions: 0}), sarama.ErrInvalidPartitions)
	check("three replicas", create("p", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 3}), sarama.ErrInvalidReplicationFactor)
	check("a mistyped config", create("p", &sarama.TopicDetail{NumPartitions: 1, ConfigEntries: map[string]*string{"retention.mss": text("1")}}), sarama.ErrInvalidConfig)
	check("an assignment to nobody", create("p", &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {77}}}),
		sarama.ErrInvalidReplicaAssignment)
	check("deleting nothing", admin.DeleteTopic("nothing"), sarama.ErrUnknownTopicOrPartition)
	var refused *sarama.TopicPartitionError
	if err := admin.CreatePartitions("e", 1, nil, false); !errors.As(err, &refused) || refused.Err != sarama.ErrInvalidPartitions {
		t.Errorf("as many partitions as before: %v", err)
	}
	check("deleting records beyond the end", admin.DeleteRecords("e", map[int32]int64{0: 5}), sarama.ErrDeleteRecords)
	if _, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "nothing"}); err == nil {
		t.Error("the configs of a topic that is not there")
	}
	entry := map[string]sarama.IncrementalAlterConfigsEntry{"segment.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: text("-1")}}
	check("a bad value", admin.IncrementalAlterConfig(sarama.TopicResource, "e", entry, false), sarama.ErrInvalidConfig)
	saramaDataErrors(t, n, check)
}

// saramaDataErrors are those of producing and consuming.
func saramaDataErrors(t *testing.T, n *node, check func(what string, err, want error)) {
	t.Helper()
	send := func(cfg *sarama.Config, m *sarama.ProducerMessage) error {
		t.Helper()
		cfg.Producer.Retry.Max, cfg.Metadata.Retry.Max = 0, 0
		producer, err := sarama.NewSyncProducer([]string{n.address}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		_, _, err = producer.SendMessage(m)
		return err
	}
	small := func() *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: "e", Value: sarama.StringEncoder("v"), Timestamp: time.Now()}
	}
	check("producing", send(saramaConfig(), small()), nil)
	nowhere := small()
	nowhere.Topic = "nothing"
	check("producing to no topic", send(saramaConfig(), nowhere), sarama.ErrUnknownTopicOrPartition)
	large := small()
	large.Value = sarama.ByteEncoder(make([]byte, 1000))
	check("a record above max.message.bytes", send(saramaConfig(), large), sarama.ErrMessageSizeTooLarge)
	past := small()
	past.Timestamp = time.Now().Add(-time.Hour)
	check("a record of an hour ago", send(saramaConfig(), past), sarama.ErrInvalidTimestamp)
	old := saramaConfig()
	old.Version, old.ApiVersionsRequest = sarama.V0_10_2_0, false
	check("message format 1", send(old, small()), io.EOF) // as with Kafka 4: Produce 2 closes the connection

	consumer, err := sarama.NewConsumer([]string{n.address}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	_, err = consumer.ConsumePartition("e", 0, 100)
	check("an offset beyond the end", err, sarama.ErrOffsetOutOfRange)
	_, err = consumer.ConsumePartition("nothing", 0, sarama.OffsetOldest)
	check("consuming no topic", err, sarama.ErrUnknownTopicOrPartition)
}
