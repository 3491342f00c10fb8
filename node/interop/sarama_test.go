package interop

import (
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// saramaConfig is sarama's configuration for the newest broker that it knows, with all that it sends reported.
func saramaConfig() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Return.Successes = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Retry.Max = 3
	cfg.Producer.MaxMessageBytes = 1 << 20
	cfg.Producer.Flush.Frequency = time.Millisecond
	cfg.Net.MaxOpenRequests = 1 // sarama keeps the order of a partition only so
	cfg.Consumer.Return.Errors = true
	cfg.Metadata.Retry.Backoff = 20 * time.Millisecond
	return cfg
}

var saramaCodecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

// TestSarama sends 200 000 records with sarama, a tenth with each codec, idempotent and not, and reads them back with it and with franz-go.
func TestSarama(t *testing.T) {
	n := start(t)
	topic := "sarama"
	createTopic(t, client(t, n), topic, partitions)
	for _, r := range runs(allCodecs, true, false) {
		saramaSend(t, n, topic, r)
	}
	wanted := func(i int) *kgo.Record { return makeRecord(topic, 3, i) }
	saramaRead(t, n, topic, wanted)
	readAll(t, n, topic, wanted)
}

func saramaSend(t *testing.T, n *node, topic string, r run) {
	t.Helper()
	cfg := saramaConfig()
	cfg.Producer.Idempotent = r.idempotent
	cfg.Producer.Compression = saramaCodecs[r.codec]
	producer, err := sarama.NewAsyncProducer([]string{n.address}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := r.from; i < r.to; i++ {
			producer.Input() <- toSarama(i, makeRecord(topic, 3, i))
		}
		producer.AsyncClose()
	}()
	acked := 0
	successes, failures := producer.Successes(), producer.Errors()
	for successes != nil || failures != nil {
		select {
		case m, ok := <-successes:
			if !ok {
				successes = nil
				continue
			}
			if i := m.Metadata.(int); m.Offset != int64(i/partitions) {
				t.Fatalf("%v: record %d was acknowledged at %d", r, i, m.Offset)
			}
			acked++
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			t.Fatalf("%v: %v", r, err)
		}
	}
	if acked != r.to-r.from {
		t.Fatalf("%v: %d acknowledged", r, acked)
	}
}

func toSarama(i int, r *kgo.Record) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Metadata: i}
	if r.Key != nil {
		m.Key = sarama.ByteEncoder(r.Key)
	}
	if r.Value != nil {
		m.Value = sarama.ByteEncoder(r.Value)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
	}
	return m
}

// saramaRead reads all partitions at once.
func saramaRead(t *testing.T, n *node, topic string, wanted func(i int) *kgo.Record) {
	t.Helper()
	consumer, err := sarama.NewConsumer([]string{n.address}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	got, failed := make(chan *sarama.ConsumerMessage, 1000), make(chan error, 1)
	for p := range int32(partitions) {
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.AsyncClose()
		go func() {
			for {
				select {
				case m := <-pc.Messages():
					if m == nil {
						return
					}
					got <- m
				case err := <-pc.Errors():
					if err != nil {
						failed <- err
					}
					return
				}
			}
		}()
	}
	for r := (reading{t: t, wanted: wanted}); !r.done(); {
		select {
		case m := <-got:
			r.take(fromSarama(m))
		case err := <-failed:
			t.Fatal(err)
		case <-time.After(time.Minute):
			t.Fatalf("after %d records: nothing for a minute", r.total)
		}
	}
}

func fromSarama(m *sarama.ConsumerMessage) *kgo.Record {
	r := &kgo.Record{Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(h.Key), Value: h.Value})
	}
	return r
}

// TestSaramaAdmin runs what sarama's ClusterAdmin offers of what is served.
func TestSaramaAdmin(t *testing.T) {
	n := start(t)
	admin, err := sarama.NewClusterAdmin([]string{n.address}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(admin.CreateTopic("a", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": text("5000000")}}, false))
	must(admin.CreatePartitions("a", 3, nil, false))
	topics, err := admin.ListTopics()
	if err != nil || len(topics) != 1 || topics["a"].NumPartitions != 3 || *topics["a"].ConfigEntries["retention.ms"] != "5000000" {
		t.Errorf("listed %+v, %v", topics, err)
	}
	described, err := admin.DescribeTopics([]string{"a"})
	if err != nil || len(described) != 1 || len(described[0].Partitions) != 3 || described[0].Uuid == (sarama.Uuid{}) {
		t.Errorf("described %+v, %v", described, err)
	}
	saramaConfigs(t, admin)
	saramaOffsets(t, n, admin)
	brokers, controller, err := admin.DescribeCluster()
	if err != nil || len(brokers) != 1 || brokers[0].Addr() != n.address || controller != brokers[0].ID() {
		t.Fatalf("the cluster: %v, controller %d, %v", brokers, controller, err)
	}
	dirs, err := admin.DescribeLogDirs([]int32{controller})
	if err != nil || len(dirs[controller]) != 1 || dirs[controller][0].ErrorCode != 0 || dirs[controller][0].Topics[0].Topic != "a" || len(dirs[controller][0].Topics[0].Partitions) != 3 {
		t.Errorf("the log directories: %+v, %v", dirs, err)
	}
	elected, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{"a": {0}})
	if err != nil || elected["a"][0].ErrorCode != sarama.ErrElectionNotNeeded {
		t.Errorf("an election: %+v, %v", elected, err)
	}
	if moving, err := admin.ListPartitionReassignments("a", []int32{0}); err != nil || len(moving) != 0 {
		t.Errorf("reassignments: %+v, %v", moving, err)
	}
	must(admin.DeleteTopic("a"))
	if topics, err := admin.ListTopics(); err != nil || len(topics) != 0 {
		t.Errorf("after the deletion: %+v, %v", topics, err)
	}
}

func saramaConfigs(t *testing.T, admin sarama.ClusterAdmin) {
	t.Helper()
	check := func(key, want string) {
		t.Helper()
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "a", ConfigNames: []string{key}})
		if err != nil || len(entries) != 1 || entries[0].Name != key || entries[0].Value != want {
			t.Errorf("%s: %+v, %v; want %s", key, entries, err, want)
		}
	}
	check("retention.ms", "5000000")
	set := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: text("60000")}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, "a", map[string]sarama.IncrementalAlterConfigsEntry{"segment.ms": set}, false); err != nil {
		t.Error(err)
	}
	check("segment.ms", "60000")
	check("retention.ms", "5000000")
	if err := admin.AlterConfig(sarama.TopicResource, "a", map[string]*string{"retention.ms": text("7000000")}, false); err != nil {
		t.Error(err)
	}
	check("retention.ms", "7000000")
	check("segment.ms", "604800000")
}

// saramaOffsets deletes records and asks for offsets by their place and time.
func saramaOffsets(t *testing.T, n *node, admin sarama.ClusterAdmin) {
	t.Helper()
	producer, err := sarama.NewSyncProducer([]string{n.address}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i := range 10 {
		m := &sarama.ProducerMessage{Topic: "a", Value: sarama.StringEncoder("v"), Timestamp: started.Add(time.Duration(i) * time.Second)}
		if _, offset, err := producer.SendMessage(m); err != nil || offset != int64(i) {
			t.Fatalf("record %d: at %d, %v", i, offset, err)
		}
	}
	if err := admin.DeleteRecords("a", map[int32]int64{0: 4}); err != nil {
		t.Error(err)
	}
	for at, want := range map[int64]int64{ // any order: each is asked by itself
		sarama.OffsetOldest: 4, sarama.OffsetNewest: 10, started.Add(6500 * time.Millisecond).UnixMilli(): 7} {
		listed, err := admin.ListOffsets(map[string]map[int32]int64{"a": {0: at}}, nil)
		if r := listed["a"][0]; err != nil || r == nil || !errors.Is(r.Err, sarama.ErrNoError) && r.Err != nil || r.Offset != want {
			t.Errorf("the offset at %d: %+v, %v; want %d", at, r, err, want)
		}
	}
}
