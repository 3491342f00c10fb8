// Package brokers runs a node of ours and Apache Kafka side by side, each a process of its own on loopback with a directory of its own.
package brokers

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds the start of either.
const startTimeout = 90 * time.Second

// Broker is one process.
type Broker struct {
	Name    string
	Address string   // of clients
	line    []string // what started it last
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{}
	log     said
}

// said is what a process wrote: it may be read while more is written.
type said struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// FreeAddress returns a loopback address that nobody listens on.
func FreeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // the broker says what is wrong
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts the process, and waits until its port takes connections.
func (b *Broker) run(cmd *exec.Cmd, dir string) error {
	b.cmd, b.exited, b.line, b.dir = cmd, make(chan struct{}), cmd.Args, dir
	cmd.Stdout, cmd.Stderr, cmd.Dir = &b.log, &b.log, dir
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := b.exited
	go func() { _ = cmd.Wait(); close(exited) }()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", b.Address, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case <-exited:
			return fmt.Errorf("%s ended at its start\n%s", b.Name, b.Tail())
		default:
		}
	}
	b.End()
	return fmt.Errorf("%s is not ready after %v\n%s", b.Name, startTimeout, b.Tail())
}

// Pause holds the process up (SIGSTOP) for a time.
func (b *Broker) Pause(d time.Duration) error {
	if err := b.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return b.Signal(syscall.SIGCONT)
}

// Signal sends the process a signal.
func (b *Broker) Signal(s syscall.Signal) error { return b.cmd.Process.Signal(s) }

// PID is the process's number; 0 when it has been ended.
func (b *Broker) PID() int {
	if b.cmd == nil {
		return 0
	}
	return b.cmd.Process.Pid
}

// Ended reports whether the process is gone, by itself or by End.
func (b *Broker) Ended() bool {
	if b.cmd == nil {
		return true
	}
	select {
	case <-b.exited:
		return true
	default:
		return false
	}
}

// Restart kills the process (SIGKILL) and starts it again after a time, on the same directory and address.
func (b *Broker) Restart(down time.Duration) error {
	b.End()
	time.Sleep(down)
	return b.Again()
}

// Again starts the process again, on the same directory and address.
func (b *Broker) Again() error { return b.run(exec.Command(b.line[0], b.line[1:]...), b.dir) }

// Stop asks the process to end (SIGTERM) and demands that it ends well within a time.
func (b *Broker) Stop(within time.Duration) error {
	if err := b.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-b.exited:
	case <-time.After(within):
		return fmt.Errorf("%s has not stopped after %v\n%s", b.Name, within, b.Tail())
	}
	state := b.cmd.ProcessState
	b.cmd = nil
	if !state.Success() {
		return fmt.Errorf("%s ended with %v\n%s", b.Name, state, b.Tail())
	}
	return nil
}

// End kills the process: what it leaves on the disk is nobody's.
func (b *Broker) End() {
	if b.cmd == nil || b.cmd.Process == nil {
		return
	}
	_ = b.cmd.Process.Signal(syscall.SIGKILL)
	<-b.exited
	b.cmd = nil
}

// Said is all that the process, and those before it, wrote.
func (b *Broker) Said() string { return b.log.String() }

// Tail returns the last lines of what the process said.
func (b *Broker) Tail() string {
	lines := strings.Split(strings.TrimRight(b.log.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// settings writes key=value pairs, sorted.
func settings(all map[string]string) []string {
	var out []string
	for k, v := range all { // any order: sorted below
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
