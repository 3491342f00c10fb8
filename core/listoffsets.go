package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// The timestamps of ListOffsets that name a place instead of a time.
const (
	latestOffset   = -1
	earliestOffset = -2
	maxTimestamp   = -3 // version 7
	earliestLocal  = -4 // version 8
	latestTiered   = -5 // version 9
	pendingUpload  = -6 // version 11
)

// listOffsets is a ListOffsets under way: its response, and for each partition that must be looked up by time where its answer belongs.
type listOffsets struct {
	response *kmsg.ListOffsetsResponse
	topic    []int          // by partition of the job
	wanting  []errcode.Code // by partition of the job: what is answered if nothing is found
}

// onListOffsets answers from the ends; questions by time go to the disk, all in one job.
func (c *Core) onListOffsets(r *Request) {
	req := r.Body.(*kmsg.ListOffsetsRequest)
	response := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	read := &pendingRead{conn: r.Conn, correlation: r.Correlation, list: &listOffsets{response: response}}
	job := Job{Kind: JobLocate}
	for i := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			out := kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition = p.Partition
			if rep := c.listOffset(topic.Topic, req.Version, p, &out); rep != nil {
				read.list.topic = append(read.list.topic, i)
				read.list.wanting = append(read.list.wanting, unready(rep, req.Version))
				read.places = append(read.places, j)
				read.generations = append(read.generations, rep.Generation)
				job.Locate = append(job.Locate, LocatePartition{Stream: rep.ID, From: rep.Start, Limit: rep.ReadEnd(), ByTime: true,
					Timestamp: rep.timeAsked(p.Timestamp)})
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		response.Topics = append(response.Topics, topic)
	}
	if len(job.Locate) == 0 {
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: api.ListOffsets, Body: response})
		return
	}
	job.ID = JobID(c.newID())
	c.reads[job.ID] = read
	c.fx.Jobs = append(c.fx.Jobs, job)
}

// listOffset answers one partition, or returns the replica whose records must be looked up by time.
func (c *Core) listOffset(topic string, version int16, p *kmsg.ListOffsetsRequestTopicPartition, out *kmsg.ListOffsetsResponseTopicPartition) *replica {
	if unsupportedTime(p.Timestamp, version) {
		out.ErrorCode = int16(errcode.UnsupportedVersion)
		return nil
	}
	rep, code := c.replicaFor(topic, record.UUID{}, p.Partition)
	if code == errcode.None {
		code = listable(rep, p, version)
	}
	if out.ErrorCode = int16(code); code != errcode.None {
		return nil
	}
	switch {
	case p.Timestamp == latestOffset:
		out.Offset = int64(rep.HighWatermark())
		out.LeaderEpoch = int32(rep.Assigned().LeaderEpoch)
	case p.Timestamp == earliestOffset, p.Timestamp == earliestLocal: // all is local
		out.Offset = int64(rep.Start)
		out.LeaderEpoch = int32(rep.Epochs.At(rep.Start))
	case p.Timestamp == latestTiered, p.Timestamp == pendingUpload:
		// Nothing is tiered: no offset.
	case p.Timestamp == maxTimestamp:
		if rep.timeAsked(maxTimestamp) >= 0 {
			return rep
		} // no record has a timestamp, committed or not
	default:
		return rep
	}
	return nil
}

// unsupportedTime reports whether a version does not know what a timestamp below 0 stands for: said before anything else, also of a partition that is not there.
func unsupportedTime(timestamp int64, version int16) bool {
	switch timestamp {
	case latestOffset, earliestOffset:
		return false
	case maxTimestamp:
		return version < 7
	case earliestLocal:
		return version < 8
	case latestTiered:
		return version < 9
	case pendingUpload:
		return version < 11
	}
	return timestamp < 0
}

// timeAsked returns the time to look for: of the largest timestamp, that of the first record which has it.
func (r *replica) timeAsked(timestamp int64) record.UnixMillis {
	at := record.UnixMillis(timestamp)
	if timestamp == maxTimestamp {
		at = record.NoTimestamp
		for _, s := range r.Segments() {
			at = max(at, s.MaxTimestamp)
		}
	}
	return at
}

func listable(rep *replica, p *kmsg.ListOffsetsRequestTopicPartition, version int16) errcode.Code {
	code := leads(rep, p.CurrentLeaderEpoch)
	if code == errcode.None && p.Timestamp == latestOffset {
		code = unready(rep, version)
	}
	return code
}

// unready says that the high watermark may lag behind what was acknowledged, in a version's words. Then nobody knows the latest offset, nor that there is no record of
// a time; one that is found below it is the first.
func unready(rep *replica, version int16) errcode.Code {
	switch {
	case rep.Ready():
		return errcode.None
	case version < 5:
		return errcode.LeaderNotAvailable
	}
	return errcode.OffsetNotAvailable
}

// finishListOffsets answers a ListOffsets whose times the disk has looked up.
func (c *Core) finishListOffsets(read *pendingRead, located *Located) {
	for k := range located.Partitions {
		topic := &read.list.response.Topics[read.list.topic[k]]
		out, found := &topic.Partitions[read.places[k]], &located.Partitions[k]
		rep, code := c.replicaFor(topic.Topic, record.UUID{}, out.Partition)
		switch {
		case code != errcode.None:
			out.ErrorCode = int16(code)
		case rep.Generation != read.generations[k],
			found.Offset != record.NoOffset && found.Offset < rep.Start: // deleted meanwhile: what begins there now may be older than was asked for
			out.ErrorCode = int16(errcode.NotLeaderOrFollower)
		case found.Err != errcode.None:
			out.ErrorCode = int16(found.Err)
		case found.Offset == record.NoOffset && read.list.wanting[k] != errcode.None:
			out.ErrorCode = int16(read.list.wanting[k])
		default:
			out.Offset, out.Timestamp, out.LeaderEpoch = int64(found.Offset), int64(found.Timestamp), int32(found.Epoch)
		}
	}
	c.reply(Reply{Conn: read.conn, Correlation: read.correlation, Key: api.ListOffsets, Body: read.list.response})
}
