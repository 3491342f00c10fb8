// Package journal keeps the runs of a measurement as lines of a file, so that an interrupted one goes on where it was.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Run is one run as it is kept.
type Run interface {
	// Key names what was run and the how manieth time.
	Key() (id string, rep int)
	// Failed reports whether the run gave an error instead of figures.
	Failed() bool
}

// Store is the file of runs in a directory: the plan, which must not change between a measurement and its continuation, then one record a line.
type Store[Plan comparable, Record Run] struct {
	Plan    Plan
	Records []Record
	file    *os.File
}

// FileName is the file of runs.
const FileName = "runs.jsonl"

// ErrOtherPlan is returned for a directory whose runs were made otherwise.
var ErrOtherPlan = errors.New("the directory holds runs of another plan: choose another --out")

// Open reads the runs of a directory, or begins a new file, and locks it. A last line that an interruption has cut is left out.
func Open[Plan comparable, Record Run](dir string, plan Plan) (_ *Store[Plan, Record], err error) {
	s := &Store[Plan, Record]{Plan: plan}
	path := filepath.Join(dir, FileName)
	if s.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.file.Close()
		}
	}()
	if err := unix.Flock(int(s.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%s: another measurement is at work in this directory (%w)", path, err)
	}
	text, err := io.ReadAll(s.file)
	if err != nil {
		return nil, err
	}
	whole, err := s.read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.file.Truncate(int64(whole)); err != nil {
		return nil, err
	}
	if _, err := s.file.Seek(int64(whole), io.SeekStart); err != nil {
		return nil, err
	}
	if whole == 0 {
		return s, s.write(plan)
	}
	return s, nil
}

// Read returns the plan and the runs of a directory, and writes nothing.
func Read[Plan comparable, Record Run](dir string) (*Store[Plan, Record], error) {
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	s := new(Store[Plan, Record])
	if err := json.Unmarshal(line, &s.Plan); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, FileName), err)
	}
	_, err = s.read(text)
	return s, err
}

// read takes in the whole lines and returns how many bytes they are.
func (s *Store[Plan, Record]) read(text []byte) (whole int, err error) {
	in := bufio.NewReader(bytes.NewReader(text))
	for first := true; ; first = false {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return whole, nil
		}
		if first {
			var plan Plan
			if err := json.Unmarshal(line, &plan); err != nil {
				return 0, err
			}
			if plan != s.Plan {
				return 0, fmt.Errorf("%w (it has %+v, this is %+v)", ErrOtherPlan, plan, s.Plan)
			}
		} else {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				return 0, err
			}
			s.Records = append(s.Records, r)
		}
		whole += len(line)
	}
}

func (s *Store[Plan, Record]) write(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = s.file.Write(append(line, '\n'))
	}
	return err
}

// Add keeps a run.
func (s *Store[Plan, Record]) Add(r Record) error {
	s.Records = append(s.Records, r)
	return s.write(r)
}

// Done reports whether a repetition of a cell has been run. One that failed is run again.
func (s *Store[Plan, Record]) Done(id string, rep int) bool {
	for i := range s.Records {
		if its, n := s.Records[i].Key(); its == id && n == rep && !s.Records[i].Failed() {
			return true
		}
	}
	return false
}

// Close closes the file.
func (s *Store[Plan, Record]) Close() error { return s.file.Close() }
