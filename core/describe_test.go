package core

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// asked is a node that runs commands, and what it answers to a request.
func asking(t *testing.T, commands ...string) (n *testNode, ask func(kmsg.Request) kmsg.Response) {
	n = &testNode{t: t, held: map[string]bool{}, out: new(strings.Builder), files: map[string][]byte{}}
	for _, c := range commands {
		n.command(strings.Fields(c))
	}
	return n, func(req kmsg.Request) (body kmsg.Response) {
		n.watch = func(fx *Effects) {
			for _, r := range fx.Replies {
				body = r.Body
			}
		}
		n.request(fields{}, api.Key(req.Key()), req.GetVersion(), func(r *Request) { r.Body = req })
		n.watch = nil
		return body
	}
}

func TestDescribeLogDirs(t *testing.T) {
	n, ask := asking(t, "boot dirs=2", "create topic=a partitions=2", "create topic=b", "produce topic=a n=3", "produce topic=a partition=1")
	n.core.dirs[0].path, n.core.dirs[1].path, n.core.dirs[0].total, n.core.absent = "/one", "/two", 1<<40, []string{"/gone"}
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Version = 4
	resp := ask(req).(*kmsg.DescribeLogDirsResponse)
	sizes := map[string]int64{}
	for _, d := range resp.Dirs {
		for _, topic := range d.Topics {
			for _, p := range topic.Partitions {
				sizes[topic.Topic] += p.Size
				if p.OffsetLag != 0 || p.IsFuture {
					t.Errorf("%+v", p)
				}
			}
		}
	}
	if len(resp.Dirs) != 3 || resp.Dirs[0].Dir != "/one" || resp.Dirs[0].TotalBytes != 1<<40 || resp.Dirs[0].UsableBytes <= 0 || resp.Dirs[1].TotalBytes != -1 ||
		errcode.Code(resp.Dirs[2].ErrorCode) != errcode.KafkaStorageError {
		t.Errorf("%+v", resp.Dirs)
	}
	if b, ok := sizes["b"]; !ok || b != 0 || sizes["a"] != 85+69 {
		t.Errorf("sizes %v", sizes)
	}
	req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 7}}}
	found := 0
	for _, d := range ask(req).(*kmsg.DescribeLogDirsResponse).Dirs {
		for _, topic := range d.Topics {
			found += len(topic.Partitions)
		}
	}
	if found != 1 {
		t.Errorf("asked for one partition, %d are told", found)
	}
	n.command([]string{"fail", "dir=1"})
	if d := ask(req).(*kmsg.DescribeLogDirsResponse).Dirs[1]; errcode.Code(d.ErrorCode) != errcode.KafkaStorageError || len(d.Topics) > 0 || d.UsableBytes != -1 {
		t.Errorf("a directory that failed: %+v", d)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	n, ask := asking(t, "boot", "create topic=a", "produce topic=a n=3")
	rep := n.core.replicas[stream.ID{Topic: n.topicID("a")}]
	rep.Epochs = stream.NewEpochs([]stream.EpochStart{{Epoch: 1, Start: 0}, {Epoch: 4, Start: 2}})
	for _, c := range []struct {
		asked, current, epoch int32
		end                   int64
		code                  errcode.Code
	}{
		{4, -1, 4, 3, errcode.None}, {3, -1, 1, 2, errcode.None}, {1, 0, 1, 2, errcode.None}, {0, -1, 0, 0, errcode.None},
		{5, -1, -1, -1, errcode.None}, {4, 9, -1, -1, errcode.UnknownLeaderEpoch},
	} {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Version = 4
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "a", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{
			{CurrentLeaderEpoch: c.current, LeaderEpoch: c.asked}, {Partition: 8}}}}
		got := ask(req).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions
		if p := got[0]; p.LeaderEpoch != c.epoch || p.EndOffset != c.end || errcode.Code(p.ErrorCode) != c.code {
			t.Errorf("epoch %d: %+v", c.asked, p)
		}
		if errcode.Code(got[1].ErrorCode) != errcode.UnknownTopicOrPartition {
			t.Errorf("a partition that is not there: %+v", got[1])
		}
	}
}

func (n *testNode) topicID(name string) record.UUID {
	t, _ := n.core.meta.committed.Topic(name)
	return t.ID
}

func TestDescribeProducers(t *testing.T) {
	_, ask := asking(t, "boot", "create topic=a", "produce topic=a n=3 pid=7 epoch=2 seq=0", "produce topic=a n=2 pid=7 epoch=2 seq=3")
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "a", Partitions: []int32{0, 1}}}
	got := ask(req).(*kmsg.DescribeProducersResponse).Topics[0].Partitions
	want := kmsg.DescribeProducersResponseTopicPartitionActiveProducer{ProducerID: 7, ProducerEpoch: 2, LastSequence: 4, LastTimestamp: 1000,
		CoordinatorEpoch: -1, CurrentTxnStartOffset: -1}
	if list := got[0].ActiveProducers; len(list) != 1 || list[0].ProducerID != want.ProducerID || list[0].ProducerEpoch != 2 || list[0].LastSequence != 4 ||
		list[0].LastTimestamp != 1000 || list[0].CurrentTxnStartOffset != -1 {
		t.Errorf("%+v, want %+v", list, want)
	}
	if errcode.Code(got[1].ErrorCode) != errcode.UnknownTopicOrPartition || got[1].ErrorMessage == nil {
		t.Errorf("%+v", got[1])
	}
}

// Timestamps that name a place are known from the version on that has them.
func TestListOffsetsPlaces(t *testing.T) {
	n, ask := asking(t, "boot", "create topic=a", "create topic=empty", "produce topic=a n=3")
	for _, c := range []struct {
		topic     string
		version   int16
		timestamp int64
		offset    int64
		code      errcode.Code
	}{
		{"a", 1, -1, 3, errcode.None}, {"a", 1, -2, 0, errcode.None}, {"a", 6, -3, -1, errcode.UnsupportedVersion}, {"empty", 7, -3, -1, errcode.None},
		{"a", 8, -4, 0, errcode.None}, {"a", 7, -4, -1, errcode.UnsupportedVersion}, {"a", 9, -5, -1, errcode.None}, {"a", 8, -5, -1, errcode.UnsupportedVersion},
		{"a", 11, -6, -1, errcode.None}, {"a", 10, -6, -1, errcode.UnsupportedVersion}, {"a", 11, -7, -1, errcode.UnsupportedVersion},
	} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = c.version
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: c.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{{CurrentLeaderEpoch: -1, Timestamp: c.timestamp}}}}
		if p := ask(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]; p.Offset != c.offset || errcode.Code(p.ErrorCode) != c.code {
			t.Errorf("%s v%d %d: %+v", c.topic, c.version, c.timestamp, p)
		}
	}
	var jobs []Job
	n.watch = func(fx *Effects) { jobs = append(jobs, fx.Jobs...) }
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 7
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{CurrentLeaderEpoch: -1, Timestamp: -3}}}}
	n.request(fields{}, api.ListOffsets, 7, func(r *Request) { r.Body = req })
	if len(jobs) != 1 || !jobs[0].Locate[0].ByTime || jobs[0].Locate[0].Timestamp != 1000 {
		t.Errorf("the largest timestamp is looked for by %+v", jobs)
	}
}
