/* A console of its own for a program: console PROGRAM ARGUMENTS...
 *
 * What the program writes to it goes to stdout, and each line of stdin is something that a person does:
 *   keys TEXT      types the text (`^C` is the key Ctrl-C, `^M` Enter)
 *   ctrl-c         what the key does, without the key (Wine's console ends at that key)
 *   close          closes the window
 *   size W H       makes the window another size
 * The end of the program ends this too, with its exit code.
 *
 * It takes itself in between: under Wine a program whose streams are to be the console gets none, so that the one in
 * between opens them and passes them on. */
#define _WIN32_WINNT 0x0A00
#define NTDDI_VERSION 0x0A000006
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifndef PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE
#define PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE 0x00020016
#endif

typedef HRESULT(WINAPI *Create)(COORD, HANDLE, HANDLE, DWORD, void **);
typedef HRESULT(WINAPI *Resize)(void *, COORD);
typedef void(WINAPI *Close)(void *);

static HANDLE from_console, to_console, program, ask_c;
static void *console;

static void failed(const char *what) {
  fprintf(stderr, "console: %s: error %lu\n", what, GetLastError());
  exit(99);
}

/* The command line without its first word. */
static wchar_t *rest(wchar_t *line) {
  if (*line == L'"') {
    line = wcschr(line + 1, L'"');
    line = line ? line + 1 : L"";
  } else {
    while (*line && *line != L' ') line++;
  }
  while (*line == L' ') line++;
  return line;
}

static DWORD WINAPI copy(void *unused) {
  char bytes[4096];
  DWORD count;
  while (ReadFile(from_console, bytes, sizeof bytes, &count, NULL) && count) {
    fwrite(bytes, 1, count, stdout);
    fflush(stdout);
  }
  return 0;
}

static DWORD WINAPI wait(void *unused) {
  DWORD code = 98;
  WaitForSingleObject(program, INFINITE);
  GetExitCodeProcess(program, &code);
  Sleep(300); /* What was written last is on its way. */
  fprintf(stderr, "console: ended with %lu\n", code);
  fflush(stdout);
  _exit((int)code);
}

static void type(const char *text) {
  char bytes[1024];
  DWORD count = 0, written;
  for (; *text && count < sizeof bytes; text++) {
    if (*text == '^' && text[1]) bytes[count++] = *++text & 0x1f;
    else bytes[count++] = *text;
  }
  WriteFile(to_console, bytes, count, &written, NULL);
}

/* An event that both of us know. */
static HANDLE event(DWORD of) {
  char name[64];
  snprintf(name, sizeof name, "orchestrate-ctrl-c-%lu", of);
  return CreateEventA(NULL, FALSE, FALSE, name);
}

static DWORD WINAPI press(void *unused) {
  while (WaitForSingleObject(ask_c, INFINITE) == WAIT_OBJECT_0)
    if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) failed("press");
  return 0;
}

/* The keys are for the program. The system ends both of us some time after the window has closed. */
static BOOL WINAPI passed_over(DWORD event) {
  if (event == CTRL_CLOSE_EVENT) Sleep(INFINITE);
  return TRUE;
}

/* Inside the console: opens its streams and starts the program with them. */
static int inside(DWORD parent) {
  SECURITY_ATTRIBUTES handed_down = {sizeof handed_down, NULL, TRUE};
  STARTUPINFOW start = {sizeof start};
  PROCESS_INFORMATION made;
  DWORD code;
  SetConsoleCtrlHandler(passed_over, TRUE);
  ask_c = event(parent);
  CreateThread(NULL, 0, press, NULL, 0, NULL);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE, 3, &handed_down, OPEN_EXISTING, 0, NULL);
  start.hStdOutput = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE, 3, &handed_down, OPEN_EXISTING, 0, NULL);
  start.hStdError = start.hStdOutput;
  if (!CreateProcessW(NULL, rest(rest(rest(GetCommandLineW()))), NULL, NULL, TRUE, 0, NULL, NULL, &start, &made)) failed("start");
  WaitForSingleObject(made.hProcess, INFINITE);
  GetExitCodeProcess(made.hProcess, &code);
  return (int)code;
}

int main(int count, char **words) {
  HANDLE in, out;
  SIZE_T length = 0;
  STARTUPINFOEXW start = {{sizeof start}};
  PROCESS_INFORMATION made;
  wchar_t *line, own[MAX_PATH];
  char act[1024];
  HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
  Create create = (Create)(void *)GetProcAddress(kernel, "CreatePseudoConsole");
  Resize resize = (Resize)(void *)GetProcAddress(kernel, "ResizePseudoConsole");
  Close close = (Close)(void *)GetProcAddress(kernel, "ClosePseudoConsole");
  COORD size = {100, 40};

  if (count > 1 && !strcmp(words[1], "--inside")) return inside(strtoul(words[2], NULL, 10));
  if (!create || !close || !resize) failed("this system has no consoles of this kind");
  if (!CreatePipe(&in, &to_console, NULL, 0) || !CreatePipe(&from_console, &out, NULL, 0)) failed("pipes");
  if (create(size, in, out, 0, &console)) failed("create");
  InitializeProcThreadAttributeList(NULL, 1, 0, &length);
  start.lpAttributeList = malloc(length);
  InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &length);
  UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, console, sizeof console, NULL, NULL);
  /* Our own streams are not to be those of the program. */
  start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  ask_c = event(GetCurrentProcessId());
  GetModuleFileNameW(NULL, own, MAX_PATH);
  line = malloc(sizeof(wchar_t) * (wcslen(GetCommandLineW()) + wcslen(own) + 32));
  swprintf(line, 32768, L"\"%ls\" --inside %lu %ls", own, GetCurrentProcessId(), rest(GetCommandLineW()));
  if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, EXTENDED_STARTUPINFO_PRESENT, NULL, NULL, &start.StartupInfo, &made)) failed("start");
  program = made.hProcess;
  CreateThread(NULL, 0, copy, NULL, 0, NULL);
  CreateThread(NULL, 0, wait, NULL, 0, NULL);
  while (fgets(act, sizeof act, stdin)) {
    int width, height;
    act[strcspn(act, "\r\n")] = 0;
    if (!strncmp(act, "keys ", 5)) type(act + 5);
    else if (!strcmp(act, "ctrl-c")) SetEvent(ask_c);
    else if (!strcmp(act, "close")) close(console);
    else if (sscanf(act, "size %d %d", &width, &height) == 2) resize(console, (COORD){(SHORT)width, (SHORT)height});
    else failed("no such act");
  }
  Sleep(INFINITE);
}
