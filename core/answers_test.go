package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// TestEpochsThatClientsName: which of them are none, fenced, unknown or undefined. scripts/differ compares the same with Apache Kafka.
func TestEpochsThatClientsName(t *testing.T) {
	_, ask := asking(t, "boot", "create topic=a", "produce topic=a n=3")
	list := func(version int16, timestamp int64, epoch int32, partition int32) errcode.Code {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = version
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, epoch
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
		return errcode.Code(ask(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
	}
	for _, c := range []struct {
		version          int16
		timestamp        int64
		epoch, partition int32
		want             errcode.Code
	}{
		{11, -1, -1, 0, errcode.None}, {11, -1, -2, 0, errcode.FencedLeaderEpoch}, {11, -1, 9, 0, errcode.UnknownLeaderEpoch}, {11, -1, -1, 7, errcode.UnknownTopicOrPartition},
		{7, -4, -1, 0, errcode.UnsupportedVersion}, {7, -4, 9, 0, errcode.UnsupportedVersion}, {7, -4, -1, 7, errcode.UnsupportedVersion}, {8, -4, -1, 0, errcode.None},
		{6, -3, -1, 0, errcode.UnsupportedVersion}, {10, -6, -1, 0, errcode.UnsupportedVersion}, {11, -6, -1, 0, errcode.None}, {11, -7, -1, 0, errcode.UnsupportedVersion},
	} {
		if got := list(c.version, c.timestamp, c.epoch, c.partition); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for _, c := range []struct {
		asked, epoch int32
		end          int64
	}{{-1, -1, -1}, {-2, -2, 0}, {0, 0, 3}, {5, -1, -1}} {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Version = 4
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.CurrentLeaderEpoch, p.LeaderEpoch = -1, c.asked
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "a", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}
		if got := ask(req).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]; got.LeaderEpoch != c.epoch || got.EndOffset != c.end {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestFetchTellsWhereLogsDivergeAndNothingBesideAnError.
func TestFetchTellsWhereLogsDivergeAndNothingBesideAnError(t *testing.T) {
	n, _ := asking(t, "boot", "create topic=a", "produce topic=a n=3")
	fetch := func(p api.FetchPartition) (out api.FetchResult) {
		n.watch = func(fx *Effects) {
			for _, r := range fx.Replies {
				out = r.Fetch.Partitions[0]
			}
		}
		p.Topic, p.MaxBytes, p.LogStart = "a", 0, record.NoOffset // as consumers send it
		n.request(fields{}, api.Fetch, 12, func(r *Request) {
			r.Fetch = &api.FetchRequest{ReplicaID: record.NoNode, SessionEpoch: api.FinalSessionEpoch, Partitions: []api.FetchPartition{p}}
		})
		n.watch = nil
		return out
	}
	if r := fetch(api.FetchPartition{CurrentEpoch: -2, LastFetchedEpoch: -1}); r.Err != errcode.None || r.Size() == 0 || r.Diverges {
		t.Errorf("no room is room for one batch: %+v", r)
	}
	if r := fetch(api.FetchPartition{CurrentEpoch: -1, LastFetchedEpoch: 0, Offset: 9}); r.Err != errcode.None || !r.Diverges || r.DivergingEpoch != 0 || r.DivergingEnd != 3 || r.Size() != 0 {
		t.Errorf("behind the end of its epoch: %+v", r)
	}
	for _, p := range []api.FetchPartition{{CurrentEpoch: -1, LastFetchedEpoch: -1, Offset: 9}, {CurrentEpoch: -1, LastFetchedEpoch: 1}} {
		if r := fetch(p); r.Err != errcode.OffsetOutOfRange || r.HighWatermark != record.NoOffset || r.LogStart != record.NoOffset {
			t.Errorf("%+v: %+v", p, r)
		}
	}
}

// TestRefusedProduce: what comes first, and where a client hears of the log start.
func TestRefusedProduce(t *testing.T) {
	n, _ := asking(t, "boot", "create topic=a")
	produce := func(acks int16, p api.ProducePartition) (out api.ProduceResult) {
		n.watch = func(fx *Effects) {
			for _, r := range fx.Replies {
				out = r.Produce.Partitions[0]
			}
		}
		n.request(fields{}, api.Produce, 9, func(r *Request) { r.Produce = &api.ProduceRequest{Acks: acks, Partitions: []api.ProducePartition{p}} })
		n.watch = nil
		return out
	}
	for _, c := range []struct {
		acks  int16
		p     api.ProducePartition
		want  errcode.Code
		start record.Offset
	}{
		{7, api.ProducePartition{Topic: "a"}, errcode.InvalidRequiredAcks, record.NoOffset},
		{7, api.ProducePartition{Topic: "never"}, errcode.UnknownTopicOrPartition, record.NoOffset},
		{7, api.ProducePartition{Topic: "a", Err: errcode.InvalidRecord, NoBatch: true}, errcode.InvalidRecord, record.NoOffset},
		{7, api.ProducePartition{Topic: "a", Err: errcode.InvalidRecord}, errcode.InvalidRequiredAcks, record.NoOffset},
		{1, api.ProducePartition{Topic: "a", Err: errcode.InvalidRecord}, errcode.InvalidRecord, 0},
		{1, api.ProducePartition{Topic: "a", Err: errcode.MessageTooLarge}, errcode.MessageTooLarge, record.NoOffset},
	} {
		if got := produce(c.acks, c.p); got.Err != c.want || got.LogStart != c.start {
			t.Errorf("%+v: %v, log start %d", c, got.Err, got.LogStart)
		}
	}
}
