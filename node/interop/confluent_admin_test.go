//go:build cgo

package interop

import (
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func confluentAdmin(t *testing.T, n *node) *kafka.AdminClient {
	t.Helper()
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": n.address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

// TestConfluentAdmin runs what librdkafka's AdminClient offers of what is served.
func TestConfluentAdmin(t *testing.T) {
	n := start(t)
	admin := confluentAdmin(t, n)
	ctx := deadline(t, 30*time.Second)
	topic := "a"
	created, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1, Config: map[string]string{"retention.ms": "5000000"}}})
	if err != nil || created[0].Error.Code() != kafka.ErrNoError {
		t.Fatalf("%v, %v", created, err)
	}
	more, err := admin.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: 3}})
	if err != nil || more[0].Error.Code() != kafka.ErrNoError {
		t.Fatalf("%v, %v", more, err)
	}
	described, err := admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic}))
	if err != nil || len(described.TopicDescriptions) != 1 || len(described.TopicDescriptions[0].Partitions) != 3 || described.TopicDescriptions[0].TopicID.GetMostSignificantBits() == 0 {
		t.Errorf("described %+v, %v", described, err)
	}
	cluster, err := admin.DescribeCluster(ctx)
	if err != nil || len(cluster.Nodes) != 1 || cluster.Controller == nil || cluster.Controller.ID != cluster.Nodes[0].ID || cluster.ClusterID == nil || len(*cluster.ClusterID) != 22 {
		t.Errorf("the cluster: %+v, %v", cluster, err)
	}
	confluentConfigs(t, admin, topic)
	confluentOffsets(t, n, admin, topic)
	elected, err := admin.ElectLeaders(ctx, kafka.NewElectLeadersRequest(kafka.ElectionTypePreferred, []kafka.TopicPartition{{Topic: &topic, Partition: 0}}))
	if err != nil || len(elected.TopicPartitions) != 1 || confluentCode(elected.TopicPartitions[0].Error) != kafka.ErrElectionNotNeeded {
		t.Errorf("an election: %+v, %v", elected, err)
	}
	deleted, err := admin.DeleteTopics(ctx, []string{topic})
	if err != nil || deleted[0].Error.Code() != kafka.ErrNoError {
		t.Fatalf("%v, %v", deleted, err)
	}
}

func confluentCode(err error) kafka.ErrorCode {
	switch e := err.(type) {
	case nil:
		return kafka.ErrNoError
	case kafka.Error:
		return e.Code()
	}
	return kafka.ErrFail
}

func confluentConfigs(t *testing.T, admin *kafka.AdminClient, topic string) {
	t.Helper()
	ctx := deadline(t, 20*time.Second)
	resource := func(entries ...kafka.ConfigEntry) []kafka.ConfigResource {
		return []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic, Config: entries}}
	}
	check := func(key, want string, source kafka.ConfigSource) {
		t.Helper()
		got, err := admin.DescribeConfigs(ctx, resource())
		if err != nil || got[0].Error.Code() != kafka.ErrNoError || got[0].Config[key].Value != want || got[0].Config[key].Source != source {
			t.Errorf("%s: %+v, %v; want %s", key, got[0].Config[key], err, want)
		}
	}
	check("retention.ms", "5000000", kafka.ConfigSourceDynamicTopic)
	set, err := admin.IncrementalAlterConfigs(ctx, resource(kafka.ConfigEntry{Name: "segment.ms", Value: "60000", IncrementalOperation: kafka.AlterConfigOpTypeSet}))
	if err != nil || set[0].Error.Code() != kafka.ErrNoError {
		t.Errorf("%v, %v", set, err)
	}
	check("segment.ms", "60000", kafka.ConfigSourceDynamicTopic)
	replaced, err := admin.AlterConfigs(ctx, resource(kafka.ConfigEntry{Name: "retention.ms", Value: "7000000"}))
	if err != nil || replaced[0].Error.Code() != kafka.ErrNoError {
		t.Errorf("%v, %v", replaced, err)
	}
	check("retention.ms", "7000000", kafka.ConfigSourceDynamicTopic)
	check("segment.ms", "604800000", kafka.ConfigSourceDefault)
}

// confluentOffsets deletes records and asks for offsets by their place and time.
func confluentOffsets(t *testing.T, n *node, admin *kafka.AdminClient, topic string) {
	t.Helper()
	ctx := deadline(t, 20*time.Second)
	p := confluentProducer(t, n, kafka.ConfigMap{})
	defer p.Close()
	for i := range 10 {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 0}, Value: []byte("v"), Timestamp: started.Add(time.Duration(i) * time.Second)}
		if code := confluentProduce(t, p, m); code != kafka.ErrNoError {
			t.Fatal(code)
		}
	}
	deleted, err := admin.DeleteRecords(ctx, []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 4}})
	if err != nil || deleted.DeleteRecordsResults[0].DeletedRecords == nil || deleted.DeleteRecordsResults[0].DeletedRecords.LowWatermark != 4 {
		t.Errorf("%+v, %v", deleted, err)
	}
	for spec, want := range map[kafka.OffsetSpec]kafka.Offset{ // any order: each is asked by itself
		kafka.EarliestOffsetSpec: 4, kafka.LatestOffsetSpec: 10, kafka.MaxTimestampOffsetSpec: 9,
		kafka.NewOffsetSpecForTimestamp(started.Add(6500 * time.Millisecond).UnixMilli()): 7} {
		at := kafka.TopicPartition{Topic: &topic, Partition: 0}
		listed, err := admin.ListOffsets(ctx, map[kafka.TopicPartition]kafka.OffsetSpec{at: spec})
		if err != nil || len(listed.ResultInfos) != 1 {
			t.Fatalf("%v: %+v, %v", spec, listed, err)
		}
		for _, r := range listed.ResultInfos { // any order: there is one
			if r.Error.Code() != kafka.ErrNoError || r.Offset != want {
				t.Errorf("the offset at %v: %+v; want %d", spec, r, want)
			}
		}
	}
	if low, high, err := p.QueryWatermarkOffsets(topic, 0, 10_000); err != nil || low != 4 || high != 10 {
		t.Errorf("watermarks %d and %d, %v", low, high, err)
	}
}

// confluentProduce sends one record and returns what became of it.
func confluentProduce(t *testing.T, p *kafka.Producer, m *kafka.Message) kafka.ErrorCode {
	t.Helper()
	delivered := make(chan kafka.Event, 1)
	if err := p.Produce(m, delivered); err != nil {
		return confluentCode(err)
	}
	select {
	case e := <-delivered:
		return confluentCode(e.(*kafka.Message).TopicPartition.Error)
	case <-time.After(20 * time.Second):
		t.Fatal("no answer in 20 s")
		return 0
	}
}

// TestConfluentErrors makes what is refused, and demands librdkafka's own code for it.
func TestConfluentErrors(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	admin := confluentAdmin(t, n)
	ctx := deadline(t, 30*time.Second)
	check := func(what string, got, want kafka.ErrorCode) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	create := func(name string, parts, replicas int, configs map[string]string) kafka.ErrorCode {
		t.Helper()
		r, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: name, NumPartitions: parts, ReplicationFactor: replicas, Config: configs}})
		if err != nil {
			return confluentCode(err)
		}
		return r[0].Error.Code()
	}
	check("a topic", create("e", 1, 1, map[string]string{"max.message.bytes": "500", "message.timestamp.before.max.ms": "1000"}), kafka.ErrNoError)
	check("it again", create("e", 1, 1, nil), kafka.ErrTopicAlreadyExists)
	check("a name", create("a/b", 1, 1, nil), kafka.ErrTopicException)
	check("three replicas", create("p", 1, 3, nil), kafka.ErrInvalidReplicationFactor)
	check("a mistyped config", create("p", 1, 1, map[string]string{"retention.mss": "1"}), kafka.ErrInvalidConfig)
	if r, err := admin.DeleteTopics(ctx, []string{"nothing"}); err != nil {
		t.Error(err)
	} else {
		check("deleting nothing", r[0].Error.Code(), kafka.ErrUnknownTopicOrPart)
	}
	if r, err := admin.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: "e", IncreaseTo: 1}}); err != nil {
		t.Error(err)
	} else {
		check("as many partitions as before", r[0].Error.Code(), kafka.ErrInvalidPartitions)
	}
	if r, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: "nothing"}}); err != nil {
		t.Error(err)
	} else {
		check("the configs of no topic", r[0].Error.Code(), kafka.ErrUnknownTopicOrPart)
	}
	topic := "e"
	if r, err := admin.DeleteRecords(ctx, []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 50}}); err != nil {
		t.Error(err)
	} else {
		check("deleting records beyond the end", confluentCode(r.DeleteRecordsResults[0].TopicPartition.Error), kafka.ErrOffsetOutOfRange)
	}
	if r, err := admin.ListConsumerGroups(ctx); err != nil || len(r.Errors) != 1 {
		t.Errorf("listing groups: %+v, %v", r, err)
	} else {
		check("listing groups, which is not served", confluentCode(r.Errors[0]), kafka.ErrUnsupportedFeature)
	}
	confluentDataErrors(t, n, check)
}

// confluentDataErrors are those of producing and consuming.
func confluentDataErrors(t *testing.T, n *node, check func(what string, got, want kafka.ErrorCode)) {
	t.Helper()
	p := confluentProducer(t, n, kafka.ConfigMap{"enable.idempotence": false, "topic.metadata.propagation.max.ms": 200})
	defer p.Close()
	record := func(topic string, size int) *kafka.Message {
		return &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 0}, Value: make([]byte, size)}
	}
	check("producing", confluentProduce(t, p, record("e", 1)), kafka.ErrNoError)
	check("producing to no topic", confluentProduce(t, p, record("nothing", 1)), kafka.ErrUnknownTopicOrPart)
	check("a record above max.message.bytes", confluentProduce(t, p, record("e", 1000)), kafka.ErrMsgSizeTooLarge)
	past := record("e", 1)
	past.Timestamp = time.Now().Add(-time.Hour)
	check("a record of an hour ago", confluentProduce(t, p, past), kafka.ErrInvalidTimestamp)

	c := confluentConsumer(t, n, nil)
	topic := "e"
	if err := c.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 100}}); err != nil {
		t.Fatal(err)
	}
	// auto.offset.reset=error tells the application with a code of its own, and OFFSET_OUT_OF_RANGE in the text.
	for end := time.Now().Add(20 * time.Second); ; {
		switch e := c.Poll(1000).(type) {
		case kafka.Error:
			check("an offset beyond the end", e.Code(), kafka.ErrAutoOffsetReset)
			return
		case *kafka.Message:
			check("an offset beyond the end", confluentCode(e.TopicPartition.Error), kafka.ErrAutoOffsetReset)
			return
		}
		if time.Now().After(end) {
			t.Fatal("an offset beyond the end: nothing in 20 s")
		}
	}
}
