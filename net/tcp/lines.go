package tcp

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// kind is what a line of the log is about. Lines of one kind count together, so that a flood of one cannot fill the log, nor hide the others.
type kind string

const (
	kindAccept   kind = "accept"
	kindAcks0    kind = "acks=0"
	kindAddress  kind = "connections of one address"
	kindBug      kind = "bug"
	kindDisk     kind = "disk"
	kindFrame    kind = "bad frame"
	kindIdle     kind = "idle"
	kindLimit    kind = "connections"
	kindMemory   kind = "memory"
	kindRate     kind = "connection rate"
	kindRequest  kind = "bad request"
	kindUnread   kind = "unread responses"
	kindUnserved kind = "unserved request"
)

const (
	// linesMax is how many lines of one kind are written in linesWindow; one more then says how many were not.
	linesMax    = 10
	linesWindow = 10 * time.Second
)

// lines is the log of what clients do wrong.
type lines struct {
	log    *slog.Logger
	window time.Duration

	mu      sync.Mutex
	kinds   map[kind]*burst
	stopped bool
}

// burst is the lines of one kind since began.
type burst struct {
	began   time.Time
	written int
	left    int         // not written
	timer   *time.Timer // ends the window, where lines are left out
}

func (l *lines) init(log *slog.Logger) {
	l.log, l.window, l.kinds = log, linesWindow, map[kind]*burst{}
}

// write writes a line, unless there were too many of its kind.
func (l *lines) write(level slog.Level, k kind, message string, args ...any) {
	l.mu.Lock()
	b := l.kinds[k]
	if b == nil {
		b = new(burst)
		l.kinds[k] = b
	}
	now := time.Now()
	if b.timer == nil && now.Sub(b.began) >= l.window {
		b.began, b.written = now, 0
	}
	left := b.written >= linesMax
	if !left {
		b.written++
	} else if b.left++; b.timer == nil && !l.stopped {
		b.timer = time.AfterFunc(b.began.Add(l.window).Sub(now), func() { l.end(k, b) })
	}
	l.mu.Unlock()
	if !left {
		l.log.Log(context.Background(), level, message, args...)
	}
}

// end tells how many lines were left out.
func (l *lines) end(k kind, b *burst) {
	l.mu.Lock()
	left := b.left
	b.left, b.timer = 0, nil
	l.mu.Unlock()
	if left > 0 {
		l.log.Warn("more lines like those before were left out", "kind", string(k), "lines", left, "within", l.window.String())
	}
}

// stop tells what is still to be told.
func (l *lines) stop() {
	l.mu.Lock()
	l.stopped = true
	open := map[kind]*burst{}
	for k, b := range l.kinds { // any order: each is told by itself
		if b.timer != nil && b.timer.Stop() {
			open[k] = b
		}
	}
	l.mu.Unlock()
	for k, b := range open { // any order: lines of different kinds
		l.end(k, b)
	}
}
