package clientlib

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) compare(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// OffsetSpec says which offset of a log is asked for.
type OffsetSpec int64

// The offsets; any other is the first whose record's timestamp is not before so many milliseconds since 1970: OffsetAt.
const (
	OffsetLatest   OffsetSpec = -1 // the next one to be written
	OffsetEarliest OffsetSpec = -2 // the log start
	OffsetMaxTime  OffsetSpec = -3 // that of the record with the largest timestamp
)

// OffsetAt is the first offset whose record is not before t.
func OffsetAt(t time.Time) OffsetSpec { return OffsetSpec(t.UnixMilli()) }

// ListedOffset is an offset that was asked for.
type ListedOffset struct {
	TopicPartition
	Offset      int64 // -1: there is no such record
	Timestamp   int64 // of the record, in milliseconds; -1: none was looked at
	LeaderEpoch int32 // -1: unknown
}

// Offsets lists an offset of each partition, by topic and partition. With committed, OffsetLatest is the last stable offset: where the first open transaction begins.
func (a *Admin) Offsets(ctx context.Context, spec OffsetSpec, committed bool, partitions ...TopicPartition) ([]ListedOffset, error) {
	var out []ListedOffset
	err := a.perLeader(ctx, partitions, func(list []TopicPartition, to proto.Target) ([]decided, error) {
		resp, broker, err := ask[*kmsg.ListOffsetsResponse](ctx, a, listOffsets(spec, committed, list), to, nil)
		if err != nil {
			return nil, err
		}
		var done []decided
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[j]
				tp := TopicPartition{resp.Topics[i].Topic, p.Partition}
				err := refusal("ListOffsets", tp.Topic, tp.Partition, broker, p.ErrorCode, nil)
				done = append(done, decided{tp, errcode.Code(p.ErrorCode), err})
				if err == nil {
					out = append(out, ListedOffset{tp, p.Offset, p.Timestamp, p.LeaderEpoch})
				}
			}
		}
		return done, nil
	})
	slices.SortFunc(out, func(a, b ListedOffset) int { return a.compare(b.TopicPartition) })
	return out, err
}

func listOffsets(spec OffsetSpec, committed bool, list []TopicPartition) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	for _, tp := range list {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = tp.Partition, int64(spec), -1
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	return req
}

// DeleteTo says up to where a partition is to be deleted.
type DeleteTo struct {
	TopicPartition
	Offset int64 // the first that stays; -1: the high watermark, which leaves nothing
}

// DeleteRecords deletes the beginnings of logs, and returns their new log starts by topic and partition.
func (a *Admin) DeleteRecords(ctx context.Context, to ...DeleteTo) ([]ListedOffset, error) {
	partitions := make([]TopicPartition, len(to))
	offsets := map[TopicPartition]int64{}
	for i, d := range to {
		partitions[i], offsets[d.TopicPartition] = d.TopicPartition, d.Offset
	}
	var out []ListedOffset
	err := a.perLeader(ctx, partitions, func(list []TopicPartition, at proto.Target) ([]decided, error) {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = a.brokerTimeout(ctx)
		for _, tp := range list {
			if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != tp.Topic {
				t := kmsg.NewDeleteRecordsRequestTopic()
				t.Topic = tp.Topic
				req.Topics = append(req.Topics, t)
			}
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = tp.Partition, offsets[tp]
			t := &req.Topics[len(req.Topics)-1]
			t.Partitions = append(t.Partitions, p)
		}
		resp, broker, err := ask[*kmsg.DeleteRecordsResponse](ctx, a, req, at, nil)
		if err != nil {
			return nil, err
		}
		var done []decided
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[j]
				tp := TopicPartition{resp.Topics[i].Topic, p.Partition}
				err := refusal("DeleteRecords", tp.Topic, tp.Partition, broker, p.ErrorCode, nil)
				done = append(done, decided{tp, errcode.Code(p.ErrorCode), err})
				if err == nil {
					out = append(out, ListedOffset{tp, p.LowWatermark, -1, -1})
				}
			}
		}
		return done, nil
	})
	slices.SortFunc(out, func(a, b ListedOffset) int { return a.compare(b.TopicPartition) })
	return out, err
}

// decided is what a leader said of a partition.
type decided struct {
	TopicPartition
	code errcode.Code
	err  error
}

// Pauses between the tries of perLeader: retry.backoff.ms, doubled up to retry.backoff.max.ms.
const (
	leaderPause    = 100 * time.Millisecond
	leaderPauseMax = time.Second
)

// perLeader asks the leader of each partition for all that it leads in one request. Partitions that have no leader now, or another one than thought, are asked for
// again until ctx or the client's timeout ends.
func (a *Admin) perLeader(ctx context.Context, partitions []TopicPartition, askLeader func(list []TopicPartition, to proto.Target) ([]decided, error)) error {
	ctx, cancel := context.WithTimeout(ctx, a.c.timeout)
	defer cancel()
	left := slices.Clone(partitions)
	slices.SortFunc(left, TopicPartition.compare)
	left = slices.Compact(left)
	var failed []error
	for pause := leaderPause; len(left) > 0; pause = min(2*pause, leaderPauseMax) {
		groups, unled, err := a.leaders(ctx, left)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		left = nil
		var why []error // of those that are left
		for _, p := range unled {
			if errcode.Code(p.code) != errcode.LeaderNotAvailable {
				failed = append(failed, p.err)
				continue
			}
			left, why = append(left, p.TopicPartition), append(why, p.err)
		}
		for _, g := range groups {
			done, err := askLeader(g.list, proto.Broker(g.leader))
			if err != nil {
				failed = append(failed, err)
				continue
			}
			for _, d := range done {
				switch d.code {
				case errcode.None:
				case errcode.NotLeaderOrFollower, errcode.LeaderNotAvailable, errcode.FencedLeaderEpoch, errcode.OffsetNotAvailable, errcode.KafkaStorageError:
					left, why = append(left, d.TopicPartition), append(why, d.err)
				default:
					failed = append(failed, d.err)
				}
			}
		}
		if len(left) == 0 {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(append(failed, why...)...)
		}
		slices.SortFunc(left, TopicPartition.compare)
	}
	return errors.Join(failed...)
}

// led are partitions with the same leader.
type led struct {
	leader int32
	list   []TopicPartition
}

// leaders groups partitions by leader, each group by topic and partition; unled are those without, and why.
func (a *Admin) leaders(ctx context.Context, partitions []TopicPartition) (groups []led, unled []decided, err error) {
	var names []string
	for _, tp := range partitions {
		if len(names) == 0 || names[len(names)-1] != tp.Topic {
			names = append(names, tp.Topic)
		}
	}
	topics, err := a.Topics(ctx, names...)
	if err != nil && Code(err) == errcode.None {
		return nil, nil, err
	}
	for _, tp := range partitions {
		leader, code := int32(-1), errcode.UnknownTopicOrPartition
		for i := range topics {
			if t := &topics[i]; t.Name == tp.Topic {
				if j := slices.IndexFunc(t.Partitions, func(p Partition) bool { return p.Partition == tp.Partition }); j >= 0 {
					leader, code = t.Partitions[j].Leader, errcode.LeaderNotAvailable
				}
			}
		}
		if leader < 0 {
			unled = append(unled, decided{tp, code, refusal("Metadata", tp.Topic, tp.Partition, "", int16(code), nil)})
			continue
		}
		i := slices.IndexFunc(groups, func(g led) bool { return g.leader == leader })
		if i < 0 {
			i, groups = len(groups), append(groups, led{leader: leader})
		}
		groups[i].list = append(groups[i].list, tp)
	}
	return groups, unled, nil
}
