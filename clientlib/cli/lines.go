package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// lineMax bounds a line where max.request.size is not given: no record can be longer.
const lineMax = 1 << 20

// lines reads lines, and does not hold a command up that is to end: a read from a terminal cannot be interrupted.
type lines struct {
	list chan []byte
	err  error // set before list closes
}

func newLines(in io.Reader, most int) *lines {
	if most <= 0 {
		most = lineMax
	}
	l := &lines{list: make(chan []byte, 64)}
	go func() {
		defer close(l.list)
		l.err = readLines(bufio.NewReaderSize(in, 64<<10), most, l.list)
	}()
	return l
}

func readLines(in *bufio.Reader, most int, to chan<- []byte) error {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if len(line)+len(piece) > most {
			return fmt.Errorf("it is longer than %d bytes, which no request can hold (-X max.request.size=…)", most)
		}
		line = append(line, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil || len(line) > 0 {
			to <- bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			line = nil
		}
		if err != nil {
			return err
		}
	}
}

// next returns a line, io.EOF after the last.
func (l *lines) next(ctx context.Context) ([]byte, error) {
	select {
	case line, ok := <-l.list:
		if !ok {
			return nil, l.err
		}
		return line, nil
	case <-ctx.Done():
		return nil, io.EOF
	}
}
