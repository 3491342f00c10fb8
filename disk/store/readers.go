package store

import (
	"sync"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
)

// jobQueue holds jobs that no reader has taken up. Its length is bounded by the requests that connections admit: each has at most one job.
type jobQueue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	jobs   []core.Job
	closed bool
}

func (q *jobQueue) init() { q.wake = sync.NewCond(&q.mu) }

func (q *jobQueue) add(jobs []core.Job) {
	if len(jobs) == 0 {
		return
	}
	q.mu.Lock()
	q.jobs = append(q.jobs, jobs...)
	q.mu.Unlock()
	q.wake.Broadcast()
}

func (q *jobQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake.Broadcast()
}

// take waits for a job; false when the queue is closed and empty.
func (q *jobQueue) take() (core.Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 {
		if q.closed {
			return core.Job{}, false
		}
		q.wake.Wait()
	}
	job := q.jobs[0]
	q.jobs[0] = core.Job{}
	if q.jobs = q.jobs[1:]; len(q.jobs) == 0 {
		q.jobs = nil
	}
	return job, true
}

// read serves jobs until the queue closes. Each completes exactly once.
func (s *Store) read() {
	defer s.readers.Done()
	for job, ok := s.jobs.take(); ok; job, ok = s.jobs.take() {
		ev := core.Event{Job: job.ID}
		if job.Kind == core.JobLoad {
			ev.Kind, ev.Loaded = core.EvLoaded, s.load(&job)
		} else {
			ev.Kind, ev.Located = core.EvLocated, s.locate(&job)
		}
		s.complete([]core.Event{ev})
	}
}

func (s *Store) load(job *core.Job) *core.Loaded {
	of, v, ok := s.view(job.Stream)
	if !ok {
		return &core.Loaded{Err: errcode.KafkaStorageError}
	}
	defer s.unview(of)
	l := v.Load(job.From, core.LoadBytes)
	return &l
}

// locate fills partitions in order from one budget; the first batch of all is given whole.
func (s *Store) locate(job *core.Job) *core.Located {
	out := &core.Located{Partitions: make([]core.LocatedPartition, len(job.Locate))}
	budget, whole := job.Budget, true
	for i := range job.Locate {
		p := &out.Partitions[i]
		of, v, ok := s.view(job.Locate[i].Stream)
		if !ok {
			*p = core.LocatedPartition{Err: errcode.KafkaStorageError, Offset: record.NoOffset, Timestamp: record.NoTimestamp, Epoch: record.NoEpoch}
			continue
		}
		*p = v.Locate(job.Locate[i], budget, whole, s.codec)
		s.unview(of)
		for _, x := range p.Extents {
			budget -= int64(x.Len)
			whole = false
		}
	}
	return out
}
