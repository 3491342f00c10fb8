package target

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"odradek/bench/measure"
)

// process is a broker that this program starts and ends.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	log   said
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

// start starts a program.
func (p *process) start(name string, args ...string) error {
	p.log.mu.Lock()
	p.log.all.Reset()
	p.log.mu.Unlock()
	p.cmd, p.ended = exec.Command(name, args...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// An interrupt in the terminal is for the benchmark, which ends the process itself.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(p.cmd, p.ended)
	return nil
}

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Process is its number; 0 where it does not run.
func (p *process) Process() int {
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Usage reads /proc.
func (p *process) Usage() (measure.Usage, error) {
	if !p.running() {
		return measure.Usage{Fsyncs: -1}, errors.New("the broker has ended:\n" + p.log.String())
	}
	return measure.ProcessUsage(p.cmd.Process.Pid)
}

// Hold stops the process where it is, so that it costs nothing while others are measured.
func (p *process) Hold() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 { // the signal is sent; its threads stop when they come to see it
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return err
		}
		if _, after, ok := bytes.Cut(stat, []byte(") ")); ok && len(after) > 0 && after[0] == 'T' {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("process %d does not stop", p.cmd.Process.Pid)
}

// Release lets it go on.
func (p *process) Release() error { return p.signal(syscall.SIGCONT) }

// Pause stops it for so long, as a machine that stalls would.
func (p *process) Pause(d time.Duration) error {
	if err := p.Hold(); err != nil {
		return err
	}
	time.Sleep(d)
	return p.Release()
}

// Kill ends it at once, as kill -9 does.
func (p *process) Kill() error {
	err := p.signal(syscall.SIGKILL)
	if p.cmd != nil {
		<-p.ended
	}
	return err
}

func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return errors.New("the broker has ended:\n" + p.log.String())
	}
	return p.cmd.Process.Signal(s)
}

const stopMax = 20 * time.Second

// Close ends the process, also one that is held; its directory is the caller's.
func (p *process) Close() error {
	if !p.running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-p.ended:
	case <-time.After(stopMax):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return nil
}
