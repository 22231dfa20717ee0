package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skerry-edge/skerry/agent"
)

// maxPasswordLine bounds what is read of standard input for a password.
const maxPasswordLine = 4096

func newMQTTCmd() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "mqtt",
		Short: "Users of the MQTT broker inside",
	})
	cmd.AddCommand(newPasswdCmd())
	return cmd
}

func newPasswdCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "passwd USER",
		Short: "Make the line of a user, with the password hashed, for users_file",
		Long: `Make the line of a user of the MQTT broker inside, for the file that users_file
in [mqtt.broker] names. The password is asked for at the terminal, twice; when standard
input is no terminal, it is its first line. It never stands in the command line.

Without --file the line is printed. With it the user's line in the file is replaced or
added, and the file is made if there is none; a running agent takes it within seconds.`,
		Example: `  skerry mqtt passwd meter-1 --file /etc/skerry/users
  openssl rand -base64 18 | tee meter-1.password | skerry mqtt passwd meter-1 --file users`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// A faulty name is told before a password is typed.
			if _, err := agent.HashMQTTUser(args[0], []byte("x")); err != nil {
				return usageError("", "%w", err)
			}
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			line, err := agent.HashMQTTUser(args[0], password)
			if err != nil {
				return err
			}
			if file == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
				return err
			}
			replaced, err := agent.PutMQTTUser(file, line)
			if err != nil {
				return err
			}
			what := "added"
			if replaced {
				what = "replaced"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: user %s %s\n", file, args[0], what)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "put the line into the users' `FILE`")
	_ = cmd.MarkFlagFilename("file") // fails only for a flag that does not exist
	return cmd
}

// readPassword asks for a password at the terminal, twice and without echo, or reads the first line of what is no terminal.
func readPassword(in io.Reader, out io.Writer, user string) ([]byte, error) {
	if f, is := in.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		ask := func(prompt string) ([]byte, error) {
			_, _ = fmt.Fprint(out, prompt)
			password, err := term.ReadPassword(int(f.Fd()))
			_, _ = fmt.Fprintln(out)
			if err != nil {
				return nil, fmt.Errorf("read password: %w", err)
			}
			return password, nil
		}
		first, err := ask("Password for " + user + ": ")
		if err != nil {
			return nil, err
		}
		second, err := ask("Again: ")
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(first, second) {
			return nil, errors.New("the two passwords differ")
		}
		return first, nil
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPasswordLine)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read password: %w", err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
