package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// onDescribeLogDirs answers DescribeLogDirs: what each directory holds of the partitions asked for, all if none are named. A directory that is given up
// answers KAFKA_STORAGE_ERROR. The metadata log is not listed, as in Kafka.
func (c *Core) onDescribeLogDirs(r *Request) {
	req := r.Body.(*kmsg.DescribeLogDirsRequest)
	response := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	response.Dirs = make([]kmsg.DescribeLogDirsResponseDir, len(c.dirs), len(c.dirs)+len(c.absent))
	for i := range c.dirs {
		d, out := &c.dirs[i], &response.Dirs[i]
		out.Default()
		out.Dir = d.path
		if d.failed {
			out.ErrorCode = int16(errcode.KafkaStorageError)
		} else {
			out.UsableBytes = max(d.free, 0)
			if d.total > 0 {
				out.TotalBytes = d.total
			}
		}
	}
	for _, id := range c.logDirPartitions(req) {
		if rep, ok := c.replicas[id]; ok && !c.dirs[rep.Dir].failed {
			addToDir(&response.Dirs[rep.Dir], rep)
		}
	}
	for _, path := range c.absent {
		out := kmsg.NewDescribeLogDirsResponseDir()
		out.Dir, out.ErrorCode = path, int16(errcode.KafkaStorageError)
		response.Dirs = append(response.Dirs, out)
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: api.DescribeLogDirs, Body: response})
}

// logDirPartitions returns the partitions that a request asks for, each once, those of a topic together.
func (c *Core) logDirPartitions(req *kmsg.DescribeLogDirsRequest) []stream.ID {
	var ids []stream.ID
	if req.Topics == nil {
		for t := range c.meta.committed.Topics() {
			for i := range t.Partitions {
				ids = append(ids, stream.ID{Topic: t.ID, Partition: int32(i)})
			}
		}
		return ids
	}
	seen := map[stream.ID]bool{}
	for i := range req.Topics {
		t, ok := c.meta.committed.Topic(req.Topics[i].Topic)
		for _, partition := range req.Topics[i].Partitions {
			if ok && !seen[stream.ID{Topic: t.ID, Partition: partition}] {
				seen[stream.ID{Topic: t.ID, Partition: partition}] = true
				ids = append(ids, stream.ID{Topic: t.ID, Partition: partition})
			}
		}
	}
	return ids
}

// addToDir lists a replica in its directory. Topics come one after another.
func addToDir(out *kmsg.DescribeLogDirsResponseDir, rep *replica) {
	if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != rep.Topic {
		t := kmsg.NewDescribeLogDirsResponseDirTopic()
		t.Topic = rep.Topic
		out.Topics = append(out.Topics, t)
	}
	p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
	p.Partition = rep.ID.Partition
	p.Size = rep.bytes()
	t := &out.Topics[len(out.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

// onOffsetForLeaderEpoch answers where leader epochs end: a consumer or replica compares it with what it has, to see whether its log was cut (KIP-320).
func (c *Core) onOffsetForLeaderEpoch(r *Request) {
	req := r.Body.(*kmsg.OffsetForLeaderEpochRequest)
	response := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.LeaderEpoch, out.EndOffset = p.Partition, int32(record.NoEpoch), int64(record.NoOffset)
			rep, code := c.replicaFor(topic.Topic, record.UUID{}, p.Partition)
			if code == errcode.None {
				code = leads(rep, p.CurrentLeaderEpoch)
			}
			out.ErrorCode = int16(code)
			// An epoch beyond the newest is none of this log's: the answer is undefined, not the log end.
			if asked := record.Epoch(p.LeaderEpoch); code == errcode.None && asked != record.NoEpoch && asked <= rep.Epochs.Latest() {
				epoch, end := rep.epochEnd(asked)
				out.LeaderEpoch, out.EndOffset = int32(epoch), int64(end)
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		response.Topics = append(response.Topics, topic)
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: api.OffsetForLeaderEpoch, Body: response})
}

// epochEnd returns the largest epoch of the log that is at most the one asked for, and its end. Of one below them all: itself, and where they begin.
func (r *replica) epochEnd(asked record.Epoch) (record.Epoch, record.Offset) {
	epoch, end := r.Epochs.EndOffset(asked, r.Ends.Log)
	if epoch == record.NoEpoch {
		epoch = asked
	}
	return epoch, end
}

// leads returns why a replica does not answer a client that believes in a leader epoch; with NoEpoch it believes in none.
func leads(rep *replica, current int32) errcode.Code {
	epoch := rep.Assigned().LeaderEpoch
	switch {
	case rep.Failed() != errcode.None:
		return rep.Failed()
	case !rep.Leading():
		return errcode.NotLeaderOrFollower
	case record.Epoch(current) != record.NoEpoch && record.Epoch(current) < epoch:
		return errcode.FencedLeaderEpoch
	case record.Epoch(current) > epoch:
		return errcode.UnknownLeaderEpoch
	}
	return errcode.None
}

// onDescribeProducers lists the idempotent producers that partitions remember. There are no transactions: no coordinator, no first offset.
func (c *Core) onDescribeProducers(r *Request) {
	req := r.Body.(*kmsg.DescribeProducersRequest)
	response := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	for i := range req.Topics {
		topic := kmsg.NewDescribeProducersResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for _, partition := range req.Topics[i].Partitions {
			out := kmsg.NewDescribeProducersResponseTopicPartition()
			out.Partition = partition
			rep, code := c.replicaFor(topic.Topic, record.UUID{}, partition)
			if code == errcode.None {
				code = leads(rep, int32(record.NoEpoch))
			} else if config.CheckTopicName(topic.Topic) != nil {
				code = errcode.InvalidTopicException
			}
			if out.ErrorCode = int16(code); code != errcode.None {
				message := code.String()
				out.ErrorMessage = &message
			} else {
				out.ActiveProducers = activeProducers(rep)
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		response.Topics = append(response.Topics, topic)
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: api.DescribeProducers, Body: response})
}

func activeProducers(rep *replica) []kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	var list []kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	for _, e := range rep.producers.Entries() {
		p := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		p.ProducerID, p.ProducerEpoch, p.LastSequence, p.LastTimestamp = int64(e.ID), int32(e.Epoch), -1, int64(record.NoTimestamp)
		if e.Count > 0 {
			last := &e.Batches[e.Count-1]
			p.LastSequence, p.LastTimestamp = last.LastSequence, int64(last.Timestamp)
		}
		p.CoordinatorEpoch, p.CurrentTxnStartOffset = -1, int64(record.NoOffset)
		list = append(list, p)
	}
	return list
}
