package segment

import (
	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// Views gives a stream's view and what is to be called when it is no longer read; ok is false for a stream that is not there.
type Views func(id stream.ID) (v View, done func(), ok bool)

// Answer carries out a job: it completes exactly once, whatever is wrong.
func Answer(job *core.Job, views Views, codec Decompressor) core.Event {
	ev := core.Event{Job: job.ID}
	if job.Kind == core.JobLoad {
		ev.Kind, ev.Loaded = core.EvLoaded, load(job, views)
	} else {
		ev.Kind, ev.Located = core.EvLocated, locateAll(job, views, codec)
	}
	return ev
}

func load(job *core.Job, views Views) *core.Loaded {
	v, done, ok := views(job.Stream)
	if !ok {
		return &core.Loaded{Err: errcode.KafkaStorageError}
	}
	defer done()
	l := v.Load(job.From, core.LoadBytes)
	return &l
}

// locateAll fills partitions in order from one budget; the first batch of all is given whole.
func locateAll(job *core.Job, views Views, codec Decompressor) *core.Located {
	out := &core.Located{Partitions: make([]core.LocatedPartition, len(job.Locate))}
	budget, whole := job.Budget, true
	for i := range job.Locate {
		p := &out.Partitions[i]
		v, done, ok := views(job.Locate[i].Stream)
		if !ok {
			*p = core.LocatedPartition{Err: errcode.KafkaStorageError, Offset: record.NoOffset, Timestamp: record.NoTimestamp, Epoch: record.NoEpoch}
			continue
		}
		*p = v.Locate(job.Locate[i], budget, whole, codec)
		done()
		for _, x := range p.Extents {
			budget -= int64(x.Len)
			whole = false
		}
	}
	return out
}
