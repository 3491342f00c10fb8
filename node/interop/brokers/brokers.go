// Package brokers runs a node of ours and Apache Kafka side by side, each a process of its own on loopback with a directory of its own.
package brokers

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// startTimeout bounds the start of either.
const startTimeout = 90 * time.Second

// Broker is one process.
type Broker struct {
	Name    string
	Address string // of clients
	cmd     *exec.Cmd
	exited  chan struct{}
	log     bytes.Buffer
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
	b.cmd, b.exited = cmd, make(chan struct{})
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
	if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return b.cmd.Process.Signal(syscall.SIGCONT)
}

// Restart kills the process (SIGKILL) and starts it again after a time, on the same directory and address.
func (b *Broker) Restart(down time.Duration) error {
	cmd := b.cmd
	b.End()
	time.Sleep(down)
	again := exec.Command(cmd.Path, cmd.Args[1:]...)
	return b.run(again, cmd.Dir)
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

// Tail returns the last lines of what the process said; only after its end.
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
