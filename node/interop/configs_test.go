package interop

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func text(s string) *string { return &s }

// TestConfigs changes the configs of a topic and of a broker with kadm and reads them back, over a kill too.
func TestConfigs(t *testing.T) {
	n := start(t, "log.segment.bytes=100000")
	c := client(t, n, kgo.ProducerBatchCompression(kgo.NoCompression()))
	adm := kadm.NewClient(c)
	ctx := deadline(t, 30*time.Second)
	createTopic(t, c, "c", 1)
	alter := func(want error, changes ...kadm.AlterConfig) {
		t.Helper()
		resp, err := adm.AlterTopicConfigs(ctx, changes, "c")
		if err != nil || !errors.Is(resp[0].Err, want) {
			t.Errorf("%v: %+v, %v", changes, resp, err)
		}
	}
	value := func(key string) (string, kmsg.ConfigSource) {
		t.Helper()
		all, err := adm.DescribeTopicConfigs(ctx, "c")
		if err != nil || all[0].Err != nil {
			t.Fatalf("%+v, %v", all, err)
		}
		for _, x := range all[0].Configs {
			if x.Key == key {
				return x.MaybeValue(), x.Source
			}
		}
		return "", 0
	}
	if v, from := value("segment.bytes"); v != "100000" || from != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("segment.bytes %s from %v", v, from)
	}
	alter(nil, kadm.AlterConfig{Op: kadm.SetConfig, Name: "max.message.bytes", Value: text("500")}, kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: text("1000000")})
	alter(kerr.InvalidConfig, kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.mss", Value: text("1")})
	alter(kerr.InvalidConfig, kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: text("compact")})
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "c", Value: make([]byte, 1000)}).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a record above the new max.message.bytes: %v", err)
	}
	n.kill()
	n.run()
	if v, from := value("retention.ms"); v != "1000000" || from != kmsg.ConfigSourceDynamicTopicConfig {
		t.Errorf("after a kill: retention.ms %s from %v", v, from)
	}
	alter(nil, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "max.message.bytes"})
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "c", Value: make([]byte, 1000)}).FirstErr(); err != nil {
		t.Errorf("with the default again: %v", err)
	}
	if resp, err := adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "flush.messages", Value: text("50")}}, "c"); err != nil || resp[0].Err != nil {
		t.Errorf("%+v, %v", resp, err)
	}
	if v, from := value("retention.ms"); v != "604800000" || from != kmsg.ConfigSourceDefaultConfig {
		t.Errorf("after a full replace: retention.ms %s from %v", v, from)
	}
	if resp, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "log.retention.ms", Value: text("77")}}); err != nil || resp[0].Err != nil {
		t.Errorf("%+v, %v", resp, err)
	}
	if v, from := value("retention.ms"); v != "77" || from != kmsg.ConfigSourceDynamicDefaultBrokerConfig {
		t.Errorf("every broker's default: retention.ms %s from %v", v, from)
	}
	if resp, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "listeners", Value: text("x")}}, 1); err != nil || !errors.Is(resp[0].Err, kerr.InvalidRequest) {
		t.Errorf("%+v, %v", resp, err)
	}
	brokers, err := adm.DescribeBrokerConfigs(ctx, 1)
	if err != nil || len(brokers) != 1 || brokers[0].Err != nil || len(brokers[0].Configs) < 30 {
		t.Errorf("%+v, %v", brokers, err)
	}
	if list, err := adm.ListConfigResources(ctx); err != nil || len(list.Resources) != 3 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestPartitions adds partitions, uses them, and asks what lies where.
func TestPartitions(t *testing.T) {
	n := start(t)
	c := client(t, n, kgo.MetadataMinAge(10*time.Millisecond))
	adm := kadm.NewClient(c)
	ctx := deadline(t, 30*time.Second)
	createTopic(t, c, "p", 1)
	if resp, err := adm.UpdatePartitions(ctx, 1, "p"); err != nil || !errors.Is(resp["p"].Err, kerr.InvalidPartitions) {
		t.Errorf("as many as there are: %+v, %v", resp, err)
	}
	if resp, err := adm.ValidateUpdatePartitions(ctx, 5, "p"); err != nil || resp["p"].Err != nil {
		t.Errorf("%+v, %v", resp, err)
	}
	if resp, err := adm.CreatePartitions(ctx, 2, "p"); err != nil || resp["p"].Err != nil {
		t.Fatalf("%+v, %v", resp, err)
	}
	at := started.Add(time.Hour / 2)
	for i := range 3 {
		c := client(t, n) // which sees all partitions
		if err := c.ProduceSync(ctx, &kgo.Record{Topic: "p", Partition: int32(i), Value: []byte("v"), Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	dirs, err := adm.DescribeAllLogDirs(ctx, nil)
	var held int
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) { held++ })
		if d.TotalBytes <= 0 || d.UsableBytes <= 0 || d.Size() <= 0 || d.Err != nil {
			t.Errorf("%+v", d)
		}
	})
	if err != nil || held != 3 {
		t.Errorf("%d partitions in directories, %v", held, err)
	}
	newest, err := adm.ListMaxTimestampOffsets(ctx, "p")
	if o, ok := newest.Lookup("p", 2); err != nil || !ok || o.Err != nil || o.Offset != 0 || o.Timestamp != at.UnixMilli() {
		t.Errorf("%+v, %v", o, err)
	}
	producers, err := adm.DescribeProducers(ctx, kadm.TopicsSet{"p": {2: {}}})
	if p := producers["p"].Partitions[2]; err != nil || p.Err != nil || len(p.ActiveProducers) != 1 {
		t.Errorf("%+v, %v", producers, err)
	}
	var epochs kadm.OffsetForLeaderEpochRequest
	epochs.Add("p", 2, 0)
	ends, err := adm.OffsetForLeaderEpoch(ctx, epochs)
	if e := ends["p"][2]; err != nil || e.Err != nil || e.LeaderEpoch != 0 || e.EndOffset != 1 {
		t.Errorf("%+v, %v", ends, err)
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2
	resp, err := req.RequestWith(ctx, c)
	if err != nil || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 || resp.NextCursor == nil || resp.NextCursor.Partition != 2 {
		t.Errorf("%+v, %v", resp, err)
	}
}
