package store

import (
	"sync"

	"odradek/core"
	"odradek/core/stream"
	"odradek/disk/segment"
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
		if job.Slot.Name != "" {
			s.complete([]core.Event{s.laneOfSlot(&job.Slot).dir.LoadSlot(&job)})
			continue
		}
		s.complete([]core.Event{segment.Answer(&job, s.viewed, s.codec)})
	}
}

// viewed gives a stream's view and holds its files until it is done with.
func (s *Store) viewed(id stream.ID) (segment.View, func(), bool) {
	of, v, ok := s.view(id)
	if !ok {
		return segment.View{}, nil, false
	}
	return v, func() { s.unview(of) }, true
}
