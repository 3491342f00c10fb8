package core

import (
	"slices"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// metadataFetch is a replica's fetch of the metadata log that waits for something to tell.
type metadataFetch struct {
	id      uint64
	request *Request
	asked   quorum.Asked
	max     int32
}

// isMetadataFetch reports whether a fetch is one of the metadata log: of that alone.
func isMetadataFetch(req *api.FetchRequest) bool {
	return len(req.Partitions) == 1 && (req.Partitions[0].TopicID == stream.MetadataTopic || req.Partitions[0].Topic == stream.MetadataName)
}

// onMetadataFetch answers a replica of the metadata log, or has it wait.
func (c *Core) onMetadataFetch(r *Request) {
	p := &r.Fetch.Partitions[0]
	w := &metadataFetch{request: r, max: min(p.MaxBytes, r.Fetch.MaxBytes),
		asked: quorum.Asked{Replica: r.Fetch.ReplicaID, Epoch: p.CurrentEpoch, Offset: p.Offset, LastEpoch: p.LastFetchedEpoch}}
	var f quorum.Facts
	v := c.judgeMetadataFetch(w, &f)
	if v.Err == errcode.None && !v.Now && r.Fetch.MaxWaitMs > 0 {
		w.id = c.newID()
		c.follow = append(c.follow, w)
		c.after(timerKey{timerFollow, w.id}, int64(r.Fetch.MaxWaitMs))
	} else {
		c.answerMetadataFetch(w, v)
	}
	c.carryOutQuorum(&f) // last: the watermark may have moved, and lets others go
}

func (c *Core) judgeMetadataFetch(w *metadataFetch, f *quorum.Facts) quorum.Verdict {
	q := c.meta.quorum
	if p := &w.request.Fetch.Partitions[0]; p.Partition != 0 {
		return quorum.Verdict{Err: errcode.UnknownTopicOrPartition}
	}
	var oldest, newest *quorum.SnapshotID
	if kept := c.snaps.kept; len(kept) > 0 {
		oldest, newest = &quorum.SnapshotID{End: kept[0].End, Epoch: kept[0].Epoch}, &quorum.SnapshotID{End: kept[len(kept)-1].End, Epoch: kept[len(kept)-1].Epoch}
	}
	return q.Fetch(int64(c.now.Mono), w.asked, oldest, newest, f)
}

// wakeMetadataFetches answers whoever has something to hear of: records, a higher watermark, or that this node leads no more.
func (c *Core) wakeMetadataFetches() {
	q := c.meta.quorum
	var ready []*metadataFetch
	c.follow = slices.DeleteFunc(c.follow, func(w *metadataFetch) bool {
		if q.Role() == quorum.Leader && q.Epoch() == w.asked.Epoch && !q.Behind(w.asked.Replica, w.asked.Offset) {
			return false
		}
		ready = append(ready, w)
		return true
	})
	for _, w := range ready {
		c.endMetadataFetch(w)
	}
}

func (c *Core) metadataFetchDue(id uint64) {
	if i := slices.IndexFunc(c.follow, func(w *metadataFetch) bool { return w.id == id }); i >= 0 {
		w := c.follow[i]
		c.follow = slices.Delete(c.follow, i, i+1)
		c.endMetadataFetch(w)
	}
}

// endMetadataFetch answers one that has waited. It was counted when it came.
func (c *Core) endMetadataFetch(w *metadataFetch) {
	c.timers.Cancel(timerKey{timerFollow, w.id})
	var f quorum.Facts
	v := c.judgeMetadataFetch(w, &f)
	c.answerMetadataFetch(w, v)
	c.carryOutQuorum(&f)
}

// answerMetadataFetch replies with what the verdict says, and the records that the tail ring knows; what is older a Locate finds.
func (c *Core) answerMetadataFetch(w *metadataFetch, v quorum.Verdict) {
	q, p := c.meta.quorum, &w.request.Fetch.Partitions[0]
	result := api.FetchResult{Topic: stream.MetadataName, TopicID: stream.MetadataTopic, Partition: p.Partition, Err: v.Err, HighWatermark: record.NoOffset, LastStable: record.NoOffset,
		LogStart: record.NoOffset, CurrentLeader: q.LeaderID(), CurrentEpoch: q.Epoch()}
	if v.Err == errcode.None {
		result.HighWatermark, result.LastStable, result.LogStart = q.HighWatermark(), q.HighWatermark(), q.Start
		q.Told(w.asked.Replica)
	}
	switch {
	case v.Err != errcode.None:
	case v.Snapshot != nil:
		result.HasSnapshot, result.SnapshotEnd, result.SnapshotEpoch = true, v.Snapshot.End, v.Snapshot.Epoch
	case v.Diverges:
		result.Diverges, result.DivergingEpoch, result.DivergingEnd = true, v.Epoch, v.End
	case p.Offset >= q.Written:
	case q.Ring.Covers(p.Offset):
		result.Extents, _ = q.Ring.Extents(nil, stream.Metadata, p.Offset, q.Written, int64(w.max), true)
	default:
		read := &pendingRead{metadata: w, result: &result, generations: []stream.Generation{q.Generation}}
		id := JobID(c.newID())
		c.reads[id] = read
		c.fx.Jobs = append(c.fx.Jobs, Job{Kind: JobLocate, ID: id, Budget: int64(w.max),
			Locate: []LocatePartition{{Stream: stream.Metadata, From: p.Offset, Limit: q.Written, MaxBytes: w.max}}})
		return
	}
	c.replyMetadataFetch(w, result)
}

// metadataLocated answers with what the disk has found, unless the log was cut or begins elsewhere by now.
func (c *Core) metadataLocated(read *pendingRead, located *Located) {
	q, found := c.meta.quorum, &located.Partitions[0]
	if q.Generation == read.generations[0] && found.Err == errcode.None && q.Start <= read.metadata.asked.Offset {
		read.result.Extents = found.Extents
	} else if found.Err != errcode.None {
		read.result.Err = found.Err
	}
	c.replyMetadataFetch(read.metadata, *read.result)
}

func (c *Core) replyMetadataFetch(w *metadataFetch, result api.FetchResult) {
	response := &api.FetchResponse{ByID: w.request.Fetch.ByID, Isolation: w.request.Fetch.Isolation, Partitions: []api.FetchResult{result}}
	c.reply(Reply{Conn: w.request.Conn, Correlation: w.request.Correlation, Key: api.Fetch, Fetch: response})
}
