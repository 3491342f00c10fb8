package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// After a start the high watermark may lag behind what was acknowledged. A time for which nothing is found below it may have a record above: no answer says that
// there is none. A record that is found below it is the first.
func TestListOffsetsByTimeBelowALaggingWatermark(t *testing.T) {
	for _, c := range []struct {
		version int16
		hw      string
		found   record.Offset
		want    errcode.Code
	}{
		{4, "0", record.NoOffset, errcode.LeaderNotAvailable}, {5, "0", record.NoOffset, errcode.OffsetNotAvailable}, {7, "12", record.NoOffset, errcode.OffsetNotAvailable},
		{5, "12", 3, errcode.None}, {5, "20", record.NoOffset, errcode.None},
	} {
		n, _ := asking(t, "boot", "create topic=a", "boot streams=1", "hold data", "opened topic=a end=20 hw="+c.hw)
		var jobs []Job
		var replies []Reply
		n.watch = func(fx *Effects) { jobs, replies = append(jobs, fx.Jobs...), append(replies, fx.Replies...) }
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = c.version
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{
			{CurrentLeaderEpoch: -1, Timestamp: 1000}, {CurrentLeaderEpoch: -1, Timestamp: latestOffset}}}}
		n.request(fields{}, api.ListOffsets, c.version, func(r *Request) { r.Body = req })
		if len(jobs) != 1 {
			t.Fatalf("%+v: jobs %+v", c, jobs)
		}
		n.command([]string{"release", "data"}) // the watermark catches up while the disk looks: that says nothing of what was looked at
		n.step(Event{Kind: EvLocated, Job: jobs[0].ID, Located: &Located{Partitions: []LocatedPartition{{Offset: c.found, Timestamp: -1, Epoch: -1}}}})
		if len(replies) != 1 {
			t.Fatalf("%+v: replies %+v", c, replies)
		}
		parts := replies[0].Body.(*kmsg.ListOffsetsResponse).Topics[0].Partitions
		if p := parts[0]; errcode.Code(p.ErrorCode) != c.want || c.want == errcode.None && p.Offset != int64(c.found) {
			t.Errorf("%+v: %+v", c, p)
		}
		latest := errcode.None // of the lagging ones, the end is not known either
		if c.hw != "20" {
			latest = errcode.OffsetNotAvailable
			if c.version < 5 {
				latest = errcode.LeaderNotAvailable
			}
		}
		if p := parts[1]; errcode.Code(p.ErrorCode) != latest {
			t.Errorf("%+v: latest %+v", c, p)
		}
	}
}

// What retention has deleted while the disk looked for a time is no answer, nor is where the log begins now: that may be older than was asked for.
func TestListOffsetsByTimeOfADeletedRecord(t *testing.T) {
	for found, want := range map[record.Offset]errcode.Code{7: errcode.NotLeaderOrFollower, 8: errcode.None} { // any order: each by itself
		n, _ := asking(t, "boot", "create topic=a", "boot streams=1", "opened topic=a start=8 end=20 hw=20")
		var jobs []Job
		var replies []Reply
		n.watch = func(fx *Effects) { jobs, replies = append(jobs, fx.Jobs...), append(replies, fx.Replies...) }
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = 7
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{CurrentLeaderEpoch: -1, Timestamp: 1000}}}}
		n.request(fields{}, api.ListOffsets, req.Version, func(r *Request) { r.Body = req })
		n.step(Event{Kind: EvLocated, Job: jobs[0].ID, Located: &Located{Partitions: []LocatedPartition{{Offset: found, Timestamp: 2000, Epoch: 0}}}})
		p := replies[0].Body.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		if errcode.Code(p.ErrorCode) != want || want == errcode.None && p.Offset != int64(found) {
			t.Errorf("found at %d: %+v", found, p)
		}
	}
}
