// Package child runs parts of the benchmark in processes of their own.
//
// The table's program is also the program of its children: Work and Serve start it again with the name of
// what to do, so each has a heap and a GOMAXPROCS that nothing else touches.
package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Flag is the argument that makes the program a child: Flag, then the name of what to do.
const Flag = "-child"

// Func is something that a child does. It reads its task from in and writes its answer to out.
type Func func(ctx context.Context, in io.Reader, out io.Writer) error

// Worker returns a Func of a function from a task to an answer.
func Worker[T, A any](work func(context.Context, T) (A, error)) Func {
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		var task T
		if err := json.NewDecoder(in).Decode(&task); err != nil {
			return fmt.Errorf("read task: %w", err)
		}
		answer, err := work(ctx, task)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(answer); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return nil
	}
}

// Server returns a Func that serves until its standard input ends. serve calls ready once, with the address.
func Server(serve func(ctx context.Context, arg string, ready func(addr string) error) error) Func {
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		lines := bufio.NewReader(in)
		arg, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read task: %w", err)
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, lines) // its end is what matters
			stop()
		}()
		err = serve(ctx, strings.TrimSpace(arg), func(addr string) error {
			_, err := fmt.Fprintln(out, addr)
			return err
		})
		if ctx.Err() == nil {
			return err // the input may go on for ever
		}
		<-ended
		return err
	}
}

// Work has a child called name do a task. env is added to the environment.
func Work[A any](ctx context.Context, name string, task any, env ...string) (A, error) {
	var answer A
	input, err := json.Marshal(task)
	if err != nil {
		return answer, fmt.Errorf("child %s: %w", name, err)
	}
	cmd, err := command(ctx, name, env)
	if err != nil {
		return answer, err
	}
	var log bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &log
	out, err := cmd.Output()
	if err != nil {
		return answer, fmt.Errorf("child %s: %w: %s", name, err, bytes.TrimSpace(log.Bytes()))
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return answer, fmt.Errorf("child %s: %w", name, err)
	}
	return answer, nil
}

func command(ctx context.Context, name string, env []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("child %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, self, Flag, name) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), env...)
	return cmd, nil
}

// Service is a child that serves on an address.
type Service struct {
	Addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	log  *bytes.Buffer
}

// Serve starts a child called name with an argument, and returns when it serves.
func Serve(ctx context.Context, name, arg string) (*Service, error) {
	cmd, err := command(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	s := &Service{cmd: cmd, log: &bytes.Buffer{}}
	cmd.Stderr = s.log
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("child %s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("child %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("child %s: %w", name, err)
	}
	if _, err = fmt.Fprintln(s.in, arg); err == nil {
		s.Addr, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		return nil, fmt.Errorf("child %s: %w: %s", name, errors.Join(err, s.Close()), bytes.TrimSpace(s.log.Bytes()))
	}
	s.Addr = strings.TrimSpace(s.Addr)
	return s, nil
}

// PID returns the child's process id.
func (s *Service) PID() int { return s.cmd.Process.Pid }

// Close ends the child and waits for it.
func (s *Service) Close() error {
	_ = s.in.Close() // it ends at the end of its input
	timer := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("end child: %w: %s", err, bytes.TrimSpace(s.log.Bytes()))
	}
	return nil
}
